use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{self, Api, List},
    print,
};

/// The people whom Aether knows: what it remembers, it remembers under one of these.
///
/// A person comes into being by talking or writing; adding one beforehand gives them a name.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  aether person list\n  aether person add ada --name Ada\n  aether page --person ada"
)]
pub enum Action {
    /// Who there is
    List(ListArguments),
    /// Add a person, or give one another name
    Add(Add),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// The id that memories are kept under; it never changes
    id: String,
    /// How the agent calls them [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "person", alias = "id")]
    person_id: String,
    #[serde(default)]
    name: Option<String>,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    match action {
        Action::List(arguments) => list(&api, arguments.json).await,
        Action::Add(arguments) => add(context, &api, &arguments).await,
    }
}

async fn list(api: &Api, as_json: bool) -> Result<(), Error> {
    if as_json {
        let people: List<Value> = api.get(&["v1", "people"], &[]).await?;
        return print::line(&Value::Array(people.data).to_string());
    }
    let people: List<Row> = api.get(&["v1", "people"], &[]).await?;
    if people.data.is_empty() {
        eprintln!("nobody is known yet; `aether person add` adds somebody");
    }
    let width = people.data.iter().map(|row| row.person_id.chars().count()).max().unwrap_or(0);
    for row in &people.data {
        print::line(format!("{:width$}  {}", row.person_id, row.name.as_deref().unwrap_or_default()).trim_end())?;
    }
    Ok(())
}

async fn add(context: &Context, api: &Api, arguments: &Add) -> Result<(), Error> {
    let person = api::person(context, Some(&arguments.id))?;
    let name = arguments.name.as_deref().unwrap_or(&arguments.id);
    let made: Value = api.post(&["v1", "people"], &json!({ "person": person.as_str(), "name": name })).await?;
    if arguments.json {
        return print::line(&made.to_string());
    }
    print::line(&format!("{person} is called {name}"))
}
