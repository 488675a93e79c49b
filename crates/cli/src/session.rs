//! `aether session`: what was said, as the gateway tells it: conversations as a list, one of them whole, or as a file.

use std::{fmt::Write, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Context, Error,
    api::{self, Api, List},
    print,
};

/// Look at past conversations, spoken and written.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  aether session list\n  aether session list --person ada --limit 50\n  \
    aether session show 0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f\n  \
    aether session export 0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f --format markdown --out talk.md")]
pub enum Action {
    /// The newest conversations first
    List(ListArguments),
    /// One conversation, turn by turn
    Show(Show),
    /// One conversation as a file
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Only what began before this time, as the list shows it with --json
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only this person's [default: everybody's]
    #[arg(long)]
    person: Option<String>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The id, as `aether session list` shows it
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Export {
    /// The id, as `aether session list` shows it
    id: String,
    /// json: everything that is known; markdown: to read
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Markdown,
}

#[derive(Deserialize)]
struct Summary {
    session_id: String,
    #[serde(default)]
    room: Option<String>,
    started_at: String,
    turns: i64,
    #[serde(default)]
    first_words: String,
    /// Empty until the conversation has gone quiet.
    #[serde(default)]
    title: String,
    #[serde(default)]
    people: Vec<String>,
}

#[derive(Deserialize)]
struct Session {
    session_id: String,
    turns: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    #[serde(default)]
    person_id: Option<String>,
    #[serde(default)]
    person_name: Option<String>,
    #[serde(default)]
    modality: Option<String>,
    #[serde(default)]
    words: String,
    #[serde(default)]
    answer: Option<String>,
    /// As much of the answer as reached the person's ears.
    #[serde(default)]
    heard: Option<String>,
    #[serde(default)]
    status: String,
    started_at: String,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    match action {
        Action::List(arguments) => list(context, api, arguments).await,
        Action::Show(arguments) => {
            let whole = fetch(&api, &arguments.id).await?;
            if arguments.json {
                return print::line(&whole.to_string());
            }
            print::piece(&as_text(&read(whole)?))
        }
        Action::Export(arguments) => {
            let whole = fetch(&api, &arguments.id).await?;
            let text = match arguments.format {
                Format::Json => format!("{whole:#}\n"),
                Format::Markdown => as_markdown(&read(whole)?),
            };
            match arguments.out {
                Some(path) => {
                    std::fs::write(&path, text).map_err(Error::io(format!("{} can't be written", path.display())))
                }
                None => print::piece(&text),
            }
        }
    }
}

async fn list(context: &Context, mut api: Api, arguments: ListArguments) -> Result<(), Error> {
    if let Some(person) = &arguments.person {
        api = api.speaking_as(&api::person(context, Some(person))?).await?;
    }
    let mut query = vec![("limit", arguments.limit.to_string())];
    if let Some(before) = arguments.before {
        query.push(("before", before));
    }
    if arguments.json {
        let sessions: List<Value> = api.get(&["v1", "sessions"], &query).await?;
        return print::line(&Value::Array(sessions.data).to_string());
    }
    let sessions: List<Summary> = api.get(&["v1", "sessions"], &query).await?;
    if sessions.data.is_empty() {
        eprintln!("nothing was said yet that was kept");
    }
    for session in &sessions.data {
        let turns = if session.turns == 1 { "1 turn".to_owned() } else { format!("{} turns", session.turns) };
        let place = session.room.as_deref().unwrap_or("in writing");
        let who = session.people.join(", ");
        print::line(&format!(
            "{}  {}  {turns:>9}  {place}  {who}: {}",
            session.session_id,
            minute(&session.started_at),
            first_line(if session.title.is_empty() { &session.first_words } else { &session.title }, 60)
        ))?;
    }
    if sessions.has_more
        && let Some(last) = sessions.data.last()
    {
        eprintln!("there are older ones: --before {}", last.started_at);
    }
    Ok(())
}

async fn fetch(api: &Api, id: &str) -> Result<Value, Error> {
    match api.get(&["v1", "sessions", id], &[]).await {
        Err(error) if error.is_not_found() => {
            Err(Error::Input(format!("there is no conversation {id}: `aether session list` shows them")))
        }
        outcome => Ok(outcome?),
    }
}

fn read(whole: Value) -> Result<Session, Error> {
    Ok(serde_json::from_value(whole).map_err(|error| api::Error::Unexpected(error.to_string()))?)
}

fn as_text(session: &Session) -> String {
    let mut text = String::new();
    for turn in &session.turns {
        let _ = writeln!(text, "{}  {}: {}", second(&turn.started_at), turn.speaker(), turn.words.trim());
        let _ = writeln!(text, "{:19}  agent: {}\n", "", turn.told());
    }
    text
}

fn as_markdown(session: &Session) -> String {
    let mut text = format!("# Conversation {}\n", session.session_id);
    for turn in &session.turns {
        let how = turn.modality.as_deref().map(|how| format!(", {how}")).unwrap_or_default();
        let _ = write!(
            text,
            "\n**{}** ({}{how}):\n\n{}\n\n**Agent:**\n\n{}\n",
            turn.speaker(),
            second(&turn.started_at),
            turn.words.trim(),
            turn.told()
        );
    }
    text
}

impl Turn {
    fn speaker(&self) -> &str {
        let given = |name: &&str| !name.is_empty();
        self.person_name
            .as_deref()
            .filter(given)
            .or_else(|| self.person_id.as_deref().filter(given))
            .unwrap_or("somebody")
    }

    /// The answer, with what was not heard of it set apart.
    fn told(&self) -> String {
        let answer = self.answer.as_deref().unwrap_or_default().trim();
        let heard = self.heard.as_deref().unwrap_or_default().trim();
        let interrupted = self.status == "interrupted";
        match answer.strip_prefix(heard) {
            _ if answer.is_empty() => format!("({})", if self.status.is_empty() { "nothing" } else { &self.status }),
            Some(rest) if interrupted && heard.is_empty() => format!("(interrupted before anything was heard) {rest}"),
            Some(rest) if interrupted && !rest.is_empty() => {
                format!("{heard} … (interrupted; not heard: {})", rest.trim())
            }
            _ => answer.to_owned(),
        }
    }
}

/// `2026-11-21T08:03:11.123Z` → `2026-11-21 08:03:11`.
pub(crate) fn second(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

fn first_line(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    if line.chars().count() <= most {
        return line.to_owned();
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let turn = |words: &str, answer: &str, heard: &str, status: &str| Turn {
            person_id: Some("ada".to_owned()),
            person_name: Some("Ada".to_owned()),
            modality: Some("voice".to_owned()),
            words: words.to_owned(),
            answer: Some(answer.to_owned()),
            heard: Some(heard.to_owned()),
            status: status.to_owned(),
            started_at: "2026-11-21T08:03:11.123456Z".to_owned(),
        };
        Session {
            session_id: "0193".to_owned(),
            turns: vec![
                turn("What time is it?", "It is three.", "It is three.", "completed"),
                turn("Tell me a story.", "Once upon a time. The end.", "Once upon", "interrupted"),
                turn("Hm.", "", "", "error"),
            ],
        }
    }

    #[test]
    fn what_was_not_heard_is_set_apart() {
        let told: Vec<_> = session().turns.iter().map(Turn::told).collect();
        assert_eq!(told[0], "It is three.");
        assert_eq!(told[1], "Once upon … (interrupted; not heard: a time. The end.)");
        assert_eq!(told[2], "(error)");
    }

    #[test]
    fn a_conversation_reads_from_top_to_bottom() {
        let text = as_text(&session());
        assert!(text.starts_with("2026-11-21 08:03:11  Ada: What time is it?\n"), "{text}");
        let markdown = as_markdown(&session());
        assert!(
            markdown
                .contains("**Ada** (2026-11-21 08:03:11, voice):\n\nWhat time is it?\n\n**Agent:**\n\nIt is three.")
        );
    }

    #[test]
    fn first_words_stay_on_one_line() {
        assert_eq!(first_line("one\ntwo", 60), "one");
        assert_eq!(first_line("äöüß", 3), "äö…");
    }
}
