//! `aether task`: what is done beside conversations, as the gateway tells it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{self, Api, List},
    print,
    session::second,
};

/// Between two looks at a task that is followed.
const LOOK: Duration = Duration::from_millis(500);

/// See and change what is done beside conversations: reminders and other work in the background.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  aether task list\n  aether task list --state HUMAN_REVIEW\n  \
    aether task follow 0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f\n  \
    aether task cancel --session 0193c5d4-7b1e-7c3a-9f00-0a1b2c3d4e5f\n\n\
    A task that was given up is in HUMAN_REVIEW until somebody replays or cancels it.")]
pub enum Action {
    /// The newest tasks first, and what is done again and again
    List(ListArguments),
    /// One task, with every state that it was in
    Status(One),
    /// The same, as it happens, until the task ends
    Follow(One),
    /// Do not do it; ends what is done again and again, too
    Cancel(Cancel),
    /// Do not wait for the next try, try now
    Retry(Id),
    /// Do one that was given up once more, from the beginning
    Replay(Id),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Only those in this state; several with commas between
    #[arg(long)]
    state: Option<String>,
    /// Only those of this kind, such as reminder
    #[arg(long)]
    kind: Option<String>,
    /// Only those of this conversation
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only what was submitted before this time, as the list shows it with --json
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only this person's [default: everybody's]
    #[arg(long)]
    person: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct One {
    /// The id, as `aether task list` shows it
    id: String,
    /// Print JSON, for `follow` one object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Id {
    /// The id, as `aether task list` shows it
    id: String,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Cancel {
    /// The id, as `aether task list` shows it
    #[arg(group = "what")]
    id: Option<String>,
    /// All tasks of this conversation instead
    #[arg(long, value_name = "ID", group = "what")]
    session: Option<String>,
}

#[derive(Deserialize)]
struct Task {
    job_id: String,
    kind: String,
    person_id: Option<String>,
    payload: Value,
    priority: String,
    state: String,
    reason: String,
    due_at: String,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    state: String,
    attempt: u32,
    reason: String,
    at: String,
}

#[derive(Deserialize)]
struct Schedule {
    schedule_id: String,
    kind: String,
    person_id: Option<String>,
    payload: Value,
    cron: String,
    time_zone: String,
    next_at: Option<String>,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    match action {
        Action::List(arguments) => list(context, api, arguments).await,
        Action::Status(One { id, json }) => {
            let task = fetch(&api, &id).await?;
            if json {
                return print::line(&task.to_string());
            }
            let task: Task = understood(task)?;
            print::line(&line(&task))?;
            task.steps.iter().try_for_each(|step| print::line(&step_line(step)))
        }
        Action::Follow(One { id, json }) => follow(&api, &id, json).await,
        Action::Cancel(Cancel { id, session }) => {
            let what = match (&id, &session) {
                (Some(id), _) => ("job_id", id.as_str()),
                (None, Some(session)) => ("session_id", session.as_str()),
                (None, None) => return Err(Error::Input("say which task".to_owned())),
            };
            control(&api, "cancel", what).await
        }
        Action::Retry(Id { id }) => control(&api, "retry", ("job_id", &id)).await,
        Action::Replay(Id { id }) => control(&api, "replay", ("job_id", &id)).await,
    }
}

async fn list(context: &Context, mut api: Api, arguments: ListArguments) -> Result<(), Error> {
    if let Some(person) = &arguments.person {
        api = api.speaking_as(&api::person(context, Some(person))?).await?;
    }
    let mut query = vec![("limit", arguments.limit.to_string())];
    let wishes = [
        ("state", &arguments.state),
        ("kind", &arguments.kind),
        ("session_id", &arguments.session),
        ("before", &arguments.before),
    ];
    query.extend(wishes.into_iter().filter_map(|(name, wish)| Some((name, wish.clone()?))));
    let tasks: Value = api.get(&["v1", "tasks"], &query).await?;
    let schedules: Value = api.get(&["v1", "schedules"], &[]).await?;
    if arguments.json {
        return print::line(&json!({ "tasks": tasks["data"], "schedules": schedules["data"] }).to_string());
    }
    let tasks: List<Task> = understood(tasks)?;
    let schedules: List<Schedule> = understood(schedules)?;
    if tasks.data.is_empty() && schedules.data.is_empty() {
        eprintln!("there is no task");
    }
    for schedule in &schedules.data {
        let who = schedule.person_id.as_deref().unwrap_or("-");
        let next = schedule.next_at.as_deref().map(second).unwrap_or_default();
        print::line(&format!(
            "{}  again and again  {} ({})  next {next}  {who}  {} {}",
            schedule.schedule_id, schedule.cron, schedule.time_zone, schedule.kind, schedule.payload
        ))?;
    }
    tasks.data.iter().try_for_each(|task| print::line(&line(task)))
}

fn line(task: &Task) -> String {
    let who = task.person_id.as_deref().unwrap_or("-");
    let reason = if task.reason.is_empty() { String::new() } else { format!("  ({})", task.reason) };
    format!(
        "{}  {:<12}  {}  due {}  {who}  {} {}{reason}",
        task.job_id,
        task.state,
        task.priority,
        second(&task.due_at),
        task.kind,
        task.payload
    )
}

fn step_line(step: &Step) -> String {
    let reason = if step.reason.is_empty() { String::new() } else { format!("  {}", step.reason) };
    format!(
        "  {}  {:<12}  attempt {}{reason}",
        step.at.get(..23).unwrap_or(&step.at).replace('T', " "),
        step.state,
        step.attempt
    )
}

async fn follow(api: &Api, id: &str, json: bool) -> Result<(), Error> {
    let mut shown = 0;
    loop {
        let task: Task = understood(fetch(api, id).await?)?;
        for step in task.steps.iter().skip(shown) {
            if json {
                let step =
                    json!({ "state": step.state, "attempt": step.attempt, "reason": step.reason, "at": step.at });
                print::line(&step.to_string())?;
            } else {
                print::line(&step_line(step))?;
            }
        }
        shown = task.steps.len();
        match task.state.as_str() {
            "COMMITTED" | "ROLLED_BACK" => return Ok(()),
            "HUMAN_REVIEW" => {
                eprintln!(
                    "it was given up: `aether task replay {id}` does it once more, `aether task cancel {id}` ends it"
                );
                return Err(Error::Told);
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn control(api: &Api, action: &str, (name, id): (&str, &str)) -> Result<(), Error> {
    let wish = json!({ "action": action, name: id });
    let reply: Value = match api.post(&["v1", "tasks", "control"], &wish).await {
        Err(error) if error.is_not_found() => return Err(unknown(id)),
        outcome => outcome?,
    };
    let done = match action {
        "cancel" => "cancelled",
        "retry" => "tried now",
        _ => "done once more",
    };
    match reply["changed"].as_u64() {
        Some(0) | None => eprintln!("nothing was left to change"),
        Some(1) => eprintln!("{done}"),
        Some(changed) => eprintln!("{changed} tasks are {done}"),
    }
    Ok(())
}

async fn fetch(api: &Api, id: &str) -> Result<Value, Error> {
    match api.get(&["v1", "tasks", id], &[]).await {
        Err(error) if error.is_not_found() => Err(unknown(id)),
        outcome => Ok(outcome?),
    }
}

fn unknown(id: &str) -> Error {
    Error::Input(format!("there is no task {id}: `aether task list` shows them"))
}

fn understood<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    Ok(serde_json::from_value(value).map_err(|error| api::Error::Unexpected(error.to_string()))?)
}
