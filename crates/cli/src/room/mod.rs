//! `aether room`: what goes on in rooms, and a hand on it. [`watch`] follows the events; the rest is one request each.

mod watch;

use aether_proto::{AgentState, RoomControlReply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Context, Error,
    api::{Api, List},
    print,
};

/// See what goes on in the rooms, and step in.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  aether room list\n  aether room watch kitchen\n  \
    aether room say kitchen \"Dinner is ready.\"\n  aether room interrupt kitchen\n  aether room off-the-record kitchen on")]
pub enum Action {
    /// The rooms that an agent is in
    List(ListArguments),
    Watch(watch::Arguments),
    /// Have the agent say something by itself; nobody is asked and nothing is answered
    Say(SayArguments),
    /// Stop the agent in the middle of what it says
    Interrupt(Room),
    /// The agent answers in writing only
    Mute(Room),
    /// The agent speaks again
    Unmute(Room),
    /// Keep nothing of what is said from now on, or keep it again
    OffTheRecord(OffTheRecord),
    /// Send the agent out; it does not come back while the people in the room stay
    Leave(Room),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Room {
    /// The room's name, as `aether room list` shows it
    room: String,
    /// Print how the room is then as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct SayArguments {
    #[command(flatten)]
    room: Room,
    /// What it says; `-` reads it from standard input
    #[arg(required = true)]
    text: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct OffTheRecord {
    #[command(flatten)]
    room: Room,
    /// on: nothing is kept; off: it is kept again
    #[arg(value_parser = ["on", "off"])]
    switch: String,
}

#[derive(Deserialize)]
struct Row {
    room: String,
    #[serde(default)]
    agent_state: Value,
    #[serde(default)]
    people: Vec<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    muted: bool,
    #[serde(default)]
    off_the_record: bool,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let api = Api::open(context)?;
    match action {
        Action::List(arguments) => list(&api, arguments.json).await,
        Action::Watch(arguments) => watch::run(&api, arguments).await,
        Action::Say(SayArguments { room, text }) => {
            let text = if text == ["-"] { print::standard_input()? } else { text.join(" ") };
            if text.trim().is_empty() {
                return Err(Error::Input("there is nothing to say: the text is empty".to_owned()));
            }
            control(&api, &room, &json!({ "say": { "text": text } })).await
        }
        Action::Interrupt(room) => control(&api, &room, &json!({ "interrupt": {} })).await,
        Action::Mute(room) => control(&api, &room, &json!({ "mute": { "muted": true } })).await,
        Action::Unmute(room) => control(&api, &room, &json!({ "mute": { "muted": false } })).await,
        Action::OffTheRecord(OffTheRecord { room, switch }) => {
            control(&api, &room, &json!({ "offTheRecord": { "off": switch == "on" } })).await
        }
        Action::Leave(room) => control(&api, &room, &json!({ "leave": {} })).await,
    }
}

async fn list(api: &Api, as_json: bool) -> Result<(), Error> {
    if as_json {
        let rooms: List<Value> = api.get(&["v1", "rooms"], &[]).await?;
        return print::line(&Value::Array(rooms.data).to_string());
    }
    let rooms: List<Row> = api.get(&["v1", "rooms"], &[]).await?;
    if rooms.data.is_empty() {
        eprintln!("nobody is in a room with the agent; `aether page` prints the link to one");
        return Ok(());
    }
    let width = rooms.data.iter().map(|row| row.room.chars().count()).max().unwrap_or(0);
    for row in &rooms.data {
        let state = row.agent_state.as_str().unwrap_or("").to_lowercase();
        let flags = flags(row.muted, row.off_the_record);
        let session = row.session_id.as_deref().unwrap_or("-");
        print::line(
            format!("{:width$}  {state:12} {session:36}  {}{flags}", row.room, row.people.join(", ")).trim_end(),
        )?;
    }
    Ok(())
}

async fn control(api: &Api, arguments: &Room, action: &Value) -> Result<(), Error> {
    let room = arguments.room.as_str();
    let reply: Value = match api.post(&["v1", "rooms", room, "control"], action).await {
        Err(error) if error.is_not_found() => {
            return Err(Error::Input(format!(
                "no agent is in a room called {room}: `aether room list` shows the rooms there are"
            )));
        }
        outcome => outcome?,
    };
    if arguments.json {
        return print::line(&reply.to_string());
    }
    if action.get("leave").is_some() {
        return print::line(&format!("the agent leaves {room}"));
    }
    let reply: RoomControlReply =
        serde_json::from_value(reply).map_err(|error| crate::api::Error::Unexpected(error.to_string()))?;
    let flags = flags(reply.muted, reply.off_the_record);
    print::line(&format!("{room}: the agent is {}{flags}", state_name(reply.agent_state())))
}

fn flags(muted: bool, off_the_record: bool) -> String {
    let mut flags = String::new();
    if muted {
        flags.push_str(", muted");
    }
    if off_the_record {
        flags.push_str(", off the record");
    }
    flags
}

fn state_name(state: AgentState) -> &'static str {
    match state {
        AgentState::Unspecified => "there",
        AgentState::Initializing => "coming",
        AgentState::Listening => "listening",
        AgentState::Thinking => "thinking",
        AgentState::Speaking => "speaking",
    }
}
