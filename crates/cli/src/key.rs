use aether_identity::Scopes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{self, Api, List},
    print,
};

/// Make keys for programs, see which there are, and end them.
///
/// A key is shown once, when it is made. Programs send it as `Authorization: Bearer …`; stock OpenAI clients take it as
/// their API key.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  aether key create --name laptop\n  \
    aether key create --name \"Ada's notebook\" --person ada --scopes \"chat history\" --days 90\n  \
    export OPENAI_API_KEY=$(aether key create --name script --json | jq -r .key)\n  \
    aether key list\n  aether key revoke 8sKq0aZ3bT1x")]
pub enum Action {
    /// Make a key
    Create(Create),
    /// The keys there are, newest first
    List(ListArguments),
    /// End a key at once
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// What it is for, to know it by later
    #[arg(long)]
    name: String,
    /// Whoever uses it is this person; without one, each request says who it speaks for
    #[arg(long)]
    person: Option<String>,
    /// What it opens, of chat, talk, history and admin [default: chat talk history]
    #[arg(long)]
    scopes: Option<Scopes>,
    /// How many days it lasts [default: until it is revoked]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The letters between the key's first and second underscore, as `aether key list` shows them
    prefix: String,
}

#[derive(Deserialize)]
struct Row {
    prefix: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    scopes: Value,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    last_used_at: Option<String>,
    #[serde(default)]
    revoked_at: Option<String>,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    match action {
        Action::Create(arguments) => create(&api, &arguments).await,
        Action::List(arguments) => list(&api, arguments.json).await,
        Action::Revoke(arguments) => revoke(&api, &arguments.prefix).await,
    }
}

async fn create(api: &Api, arguments: &Create) -> Result<(), Error> {
    let scopes = arguments.scopes.unwrap_or(Scopes::PAGE);
    let mut body = json!({ "name": arguments.name, "scopes": scopes });
    if let Some(person) = &arguments.person {
        body["person"] = json!(person);
    }
    if let Some(days) = arguments.days {
        body["expires_in_days"] = json!(days);
    }
    let made: Value = api.post(&["v1", "keys"], &body).await?;
    if arguments.json {
        return print::line(&made.to_string());
    }
    let Some(key) = made["key"].as_str() else {
        return Err(api::Error::Unexpected("a new key without its text".to_owned()).into());
    };
    print::line(key)?;
    eprintln!("This is the only time it is shown.");
    Ok(())
}

async fn list(api: &Api, as_json: bool) -> Result<(), Error> {
    if as_json {
        let keys: List<Value> = api.get(&["v1", "keys"], &[]).await?;
        return print::line(&Value::Array(keys.data).to_string());
    }
    let keys: List<Row> = api.get(&["v1", "keys"], &[]).await?;
    if keys.data.is_empty() {
        eprintln!("there is no key; `aether key create` makes one");
    }
    for row in &keys.data {
        let person = row.person.as_deref().unwrap_or("anybody");
        let day = |time: &Option<String>| time.as_deref().and_then(|time| time.get(..10)).unwrap_or("never").to_owned();
        let state = match (&row.revoked_at, &row.expires_at) {
            (Some(_), _) => format!("revoked {}", day(&row.revoked_at)),
            (None, Some(_)) => format!("until {}", day(&row.expires_at)),
            (None, None) => "until revoked".to_owned(),
        };
        print::line(&format!(
            "{:12}  {:24}  {person:16}  {:24}  used {:10}  {state}",
            row.prefix,
            row.name,
            words(&row.scopes),
            day(&row.last_used_at)
        ))?;
    }
    Ok(())
}

async fn revoke(api: &Api, text: &str) -> Result<(), Error> {
    // Who has the key at hand pastes all of it.
    let prefix = text.strip_prefix("aether_").map_or(text, |rest| rest.split('_').next().unwrap_or(rest));
    match api.delete(&["v1", "keys", prefix]).await {
        Err(error) if error.is_not_found() => {
            Err(Error::Input(format!("there is no key {prefix}: `aether key list` shows them")))
        }
        outcome => {
            outcome?;
            print::line(&format!("{prefix} opens nothing any more"))
        }
    }
}

fn words(scopes: &Value) -> String {
    match scopes {
        Value::String(text) => text.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}
