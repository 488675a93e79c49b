//! `aether source`: who may tell a person what happens elsewhere.

use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{self, Api, List},
    print,
};

/// Let software tell you what happens: make, list and end sources of events.
///
/// A source has an address and a secret. Software sends events there as JSON and signs them as Standard Webhooks say; GitHub's
/// webhooks are taken as they are.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  aether source add builds\n  aether source add github --person ada\n  \
    aether source list\n  aether source remove builds-8sKq0aZ3bT1x\n\n\
    An event: {\"kind\": \"build.failed\", \"title\": \"The build failed\", \"text\": \"In step 3\", \"url\": \"https://…\",\n\
    \"urgency\": \"low\" | \"normal\" | \"high\" | \"urgent\"}; without urgency the language model judges it.")]
pub enum Action {
    /// Make a source, or show the address and secret of one again
    Add(Add),
    /// The sources there are
    List(ListArguments),
    /// Take nothing from a source any more
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// What the person is told that it comes from: lower-case letters, digits and hyphens
    name: String,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The id, as `aether source list` shows it
    id: String,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// Whom its events are for [default: whoever the key is of, else the owner]
    #[arg(long)]
    person: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    let (Action::Add(Add { whose, .. }) | Action::List(ListArguments { whose }) | Action::Remove(Remove { whose, .. })) =
        &action;
    let api = api.speaking_as(&api::person(context, whose.person.as_deref())?).await?;
    match &action {
        Action::Add(Add { name, .. }) => {
            let source: Value = api.post(&["v1", "sources"], &json!({ "name": name })).await?;
            if whose.json {
                return print::line(&source.to_string());
            }
            let text = |field: &str| source[field].as_str().unwrap_or_default().to_owned();
            print::line(&format!("id      {}", text("source_id")))?;
            print::line(&format!("address {}", text("url")))?;
            print::line(&format!("secret  {}", text("secret")))
        }
        Action::List(_) => {
            let sources: List<Value> = api.get(&["v1", "sources"], &[]).await?;
            if whose.json {
                return print::line(&Value::Array(sources.data).to_string());
            }
            if sources.data.is_empty() {
                eprintln!("there is no source; `aether source add NAME` makes one");
            }
            sources.data.iter().try_for_each(|source| {
                let text = |field: &str| source[field].as_str().unwrap_or_default();
                print::line(&format!("{}  {}", text("source_id"), text("url")))
            })
        }
        Action::Remove(Remove { id, .. }) => {
            api.delete(&["v1", "sources", id]).await?;
            eprintln!("nothing is taken from {id} any more");
            Ok(())
        }
    }
}
