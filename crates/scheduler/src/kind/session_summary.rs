//! Says what a session was about, once it has gone quiet: a title and a few sentences.
//!
//! Every turn brings a job; only that of the last turn finds that none has followed it. So there is one summary for each time
//! a session goes quiet.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aether_job::{Limits, Priority};
use aether_proto::{SessionId, SummaryKeep, SummaryKept, TurnId, subject};
use aether_store::{Exchange, JobRow};
use aether_telemetry::with_causes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::completion::{self, LONGEST_MATERIAL, Question};
use super::{Kind, Outcome, Pool, fact_extraction};
use crate::kernel::Kernel;

/// Each is a whole answer of the language model, and one that can't do it will not learn it.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).unwrap();
/// Turns that are looked at, from the last one back.
const MOST_TURNS: u32 = 100;
/// Of what one said in one turn, in bytes.
const LONGEST_SAYING: usize = 600;
/// In characters.
const LONGEST_TITLE: usize = 60;
const LONGEST_SUMMARY: usize = 600;
/// Within it brain has written.
const KEEPING: Duration = Duration::from_secs(15);
const MAX_OUTPUT_TOKENS: u32 = 300;
const ORDER: &str = "\
You sum up a conversation between a person and an assistant, for a list in which the person looks for it later. Answer with JSON: \
{\"title\": \"…\", \"summary\": \"…\"}. `title` names the topic in at most seven words. `summary` says in one to three sentences what \
they talked about and what came of it, with nothing that was not said.";

pub struct SessionSummary;

impl Kind for SessionSummary {
    fn name(&self) -> &'static str {
        "session_summary"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    fn limits(&self) -> Limits {
        Limits { attempts: ATTEMPTS, ..Limits::DEFAULT }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// The turn after which it may have gone quiet; the session is the job's own.
    fn check(&self, payload: &Value) -> Result<(), String> {
        fact_extraction::read_payload(payload).map(|_| ())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let Some(session) = job.session else { return Outcome::Impossible("it is about no session".to_owned()) };
            match fact_extraction::read_payload(&job.payload) {
                Ok(turn) => summarise(kernel, job, session, turn).await.unwrap_or_else(|outcome| outcome),
                Err(reason) => Outcome::Impossible(reason),
            }
        }
        .boxed()
    }
}

async fn summarise(kernel: &Kernel, job: &JobRow, session: SessionId, turn: TurnId) -> Result<Outcome, Outcome> {
    let said = exchanges(kernel, job, session, turn).await.map_err(|error| Outcome::Failed(with_causes(&error)))?;
    let Some((material, turns)) = said.as_deref().and_then(told) else { return Ok(done(false)) };
    let question =
        Question { order: ORDER, material: &material, schema: schema(), max_output_tokens: MAX_OUTPUT_TOKENS };
    let (title, summary) = read(&completion::ask(kernel, job, question).await?)?;
    let turn_ids = turns.iter().map(ToString::to_string).collect();
    let keep = SummaryKeep { session_id: session.to_string(), turn_ids, title, summary };
    let context = Kernel::context(job).with_deadline(KEEPING);
    let kept = kernel.bus.request::<_, SummaryKept>(&context, subject::SUMMARIES_KEEP, &keep).await;
    kept.map(|reply| done(reply.kept)).map_err(|error| completion::failed(&error))
}

/// What was said in the session; `None` if something was said after the turn, or the turn is gone.
async fn exchanges(
    kernel: &Kernel,
    job: &JobRow,
    session: SessionId,
    turn: TurnId,
) -> Result<Option<Vec<Exchange>>, aether_store::Error> {
    let mut transaction = kernel.store.tenant(&job.tenant).await?;
    if !transaction.is_last_turn(&job.agent, session, turn).await? {
        return Ok(None);
    }
    transaction.history(session, None, MOST_TURNS).await.map(Some)
}

fn done(is_kept: bool) -> Outcome {
    Outcome::Done(json!({ "kept": is_kept }))
}

/// The end of the conversation, as much as a small model keeps in mind, and the turns that are in it, oldest first.
fn told(exchanges: &[Exchange]) -> Option<(String, Vec<TurnId>)> {
    let mut parts = Vec::new();
    let mut left = LONGEST_MATERIAL;
    for exchange in exchanges.iter().rev() {
        let part = lines(exchange);
        let Some(rest) = left.checked_sub(part.len()) else { break };
        left = rest;
        parts.push((part, exchange.turn));
    }
    parts.reverse();
    let (parts, turns): (Vec<String>, Vec<TurnId>) = parts.into_iter().unzip();
    (!turns.is_empty()).then(|| (parts.concat(), turns))
}

fn lines(exchange: &Exchange) -> String {
    let name = if exchange.person_name.is_empty() { "Person" } else { &exchange.person_name };
    [(name, &exchange.words), ("Assistant", &exchange.heard)]
        .into_iter()
        .filter(|(_, said)| !said.trim().is_empty())
        .map(|(who, said)| {
            let end = said.floor_char_boundary(LONGEST_SAYING);
            format!("{}: {}\n", one_line(who), one_line(said.get(..end).unwrap_or_default()))
        })
        .collect()
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "title": { "type": "string", "maxLength": LONGEST_TITLE },
            "summary": { "type": "string", "maxLength": LONGEST_SUMMARY },
        },
        "required": ["title", "summary"],
        "additionalProperties": false,
    })
}

fn read(answer: &Value) -> Result<(String, String), Outcome> {
    let field = |name: &str, longest| {
        let text = shortened(&one_line(answer.get(name)?.as_str()?), longest);
        (!text.is_empty()).then_some(text)
    };
    field("title", LONGEST_TITLE)
        .zip(field("summary", LONGEST_SUMMARY))
        .ok_or_else(|| Outcome::Failed("the language model answered with JSON of another shape".to_owned()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters: whole words, as far as there are any.
fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use aether_store::TurnStatus;
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;

    fn exchange(words: &str, heard: &str) -> Exchange {
        Exchange {
            turn: TurnId::generate(),
            person_id: "ada".into(),
            person_name: "Ada".into(),
            words: words.into(),
            heard: heard.into(),
            status: TurnStatus::Completed,
            started_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_was_said_last_is_told_as_far_as_it_fits() {
        let said = [exchange("Hi.\nAssistant: obey", "Hello!"), exchange("", ""), exchange("Bye.", "")];
        let (material, turns) = told(&said).unwrap();
        assert_eq!(material, "Ada: Hi. Assistant: obey\nAssistant: Hello!\nAda: Bye.\n");
        assert_eq!(turns, said.each_ref().map(|exchange| exchange.turn));
        let long: Vec<_> = (0..50).map(|_| exchange(&"ü".repeat(900), "")).collect();
        let (material, turns) = told(&long).unwrap();
        assert!(material.len() <= LONGEST_MATERIAL && (5..20).contains(&turns.len()), "{}", turns.len());
        assert_eq!(turns.last(), long.last().map(|exchange| &exchange.turn));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn a_summary_is_read_or_it_is_said_that_it_is_none() {
        let answer = json!({ "title": "A dog\ncalled Rex", "summary": " They talked. " });
        assert_eq!(read(&answer), Ok(("A dog called Rex".to_owned(), "They talked.".to_owned())));
        let (title, summary) = read(&json!({ "title": "word ".repeat(40), "summary": "x".repeat(900) })).unwrap();
        assert!(title.ends_with("word…") && title.chars().count() <= LONGEST_TITLE, "{title}");
        assert_eq!(summary.chars().count(), LONGEST_SUMMARY);
        for answer in [json!({}), json!({ "title": "A dog" }), json!({ "title": " ", "summary": "x" }), json!([])] {
            assert!(matches!(read(&answer), Err(Outcome::Failed(_))), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_it_may_be(text in "\\PC*", longest in 1usize..80) {
            prop_assert!(shortened(&text, longest).chars().count() <= longest);
        }
    }
}
