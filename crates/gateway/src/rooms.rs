//! Rooms from outside: a token to come in with, a list, and a word to the agent that is in one.

use std::collections::HashMap;
use std::time::Duration;

use aether_bus::Error;
use aether_livekit::token::{self, AgentCall, Grant};
use aether_livekit::well_known::PERSON_ATTRIBUTE;
use aether_livekit::{DispatchRequest, RoomRequest, room_name};
use aether_proto::{
    ErrorCode, Interrupt, Leave, Look, Mute, OffTheRecord, PersonId, RoomControl, RoomControlReply, RoomName, Say,
    Write, room_control, subject,
};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, Field, Object, display_name};
use crate::problem::Problem;
use crate::reconciler;
use crate::trace::concerns;

/// How long a room that was made for somebody waits for them.
const EMPTY: Duration = Duration::from_secs(60);
/// The longest that a caller may have a room kept for nobody.
const EMPTY_AT_MOST: u64 = 3600;
/// What LiveKit takes by itself.
const LONGEST_IDENTITY: usize = 256;
/// Attributes and metadata travel in the token, and the token in a URL.
const MOST_EXTRAS: usize = 4 << 10;
/// Twenty thousand characters of any script, and then some.
const LONGEST_TEXT: usize = 128 << 10;
/// What begins so is an agent's.
const AGENT_PREFIX: &str = "agent-";
/// Attributes under these are ours and LiveKit's.
const RESERVED_ATTRIBUTES: [&str; 2] = ["aether.", "lk."];
/// How long the agent may take to do what it is told.
const CONTROL: Duration = Duration::from_secs(5);

/// `POST /v1/rooms/token`: the shape that LiveKit's `TokenSource.endpoint` asks for, in either spelling.
///
/// The room is made if there is none, and its agent called. Who somebody is to the agent is the caller's person and nothing
/// that the request says; a caller who is nobody's speaks for whoever `participant_identity` names. Agents, their metadata
/// and recordings are never the request's to choose.
pub(crate) async fn token(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let wish = TokenWish::read(&body.object_if_any()?, &app, &caller)?;
    let room = wish.room.map_or_else(fresh_room, Ok)?;
    concerns("room", &room);
    let (person, identity) = match &caller.person {
        Some(person) => (person.clone(), own_identity(person, wish.identity.as_ref())?),
        None => anybodys_identity(wish.identity.as_ref())?,
    };
    let name = match wish.name {
        Some(name) => name,
        None => app.names.of(&app, &caller.tenant, &person).await,
    };

    let livekit_room = room_name(&caller.tenant, &room);
    app.admin.make_room(RoomRequest { name: livekit_room.clone(), ..wish.config }).await?;
    call_agent(&app, &livekit_room).await?;

    let mut grant = Grant::new(livekit_room, identity.as_str());
    grant.name.clone_from(&name);
    grant.metadata = wish.metadata;
    grant.attributes = wish.attributes;
    grant.attributes.insert(PERSON_ATTRIBUTE.to_owned(), person.to_string());
    if !app.options.agent_name.is_empty() {
        // Should the room have closed again before they come, their token opens it with an agent.
        grant.agents.push(AgentCall { agent_name: app.options.agent_name.clone(), metadata: String::new() });
    }
    let token = token::person(&app.options.livekit_key, grant)
        .map_err(|error| Problem::new(ErrorCode::Internal, format_args!("no token could be made: {error}")))?;
    app.watch.look();
    let answer = json!({
        "server_url": app.options.livekit_public_url,
        "participant_token": token,
        "room_name": room,
        "participant_identity": identity,
        "participant_name": name,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Agents that take automatic jobs come to every new room by themselves; one with a name has to be called.
async fn call_agent(app: &App, room: &str) -> Result<(), Problem> {
    let agent_name = &app.options.agent_name;
    if agent_name.is_empty() {
        return Ok(());
    }
    let was_called = app.admin.list_dispatches(room).await?.iter().any(|call| call.agent_name == *agent_name);
    if !was_called {
        let call = DispatchRequest {
            room: room.to_owned(),
            agent_name: agent_name.clone(),
            metadata: json!({ "returning": false }).to_string(),
        };
        app.admin.create_dispatch(call).await?;
    }
    Ok(())
}

fn fresh_room() -> Result<RoomName, Problem> {
    let name = format!("room-{}", random(12));
    RoomName::new(name).map_err(|error| Problem::new(ErrorCode::Internal, error))
}

fn random(length: usize) -> String {
    Uuid::new_v4().simple().to_string().chars().take(length).collect()
}

/// What a request for a token may say.
struct TokenWish {
    room: Option<RoomName>,
    identity: Option<Requested>,
    name: Option<String>,
    metadata: String,
    attributes: HashMap<String, String>,
    config: RoomRequest,
}

/// An identity as it was asked for, and where.
#[derive(Debug)]
struct Requested {
    path: String,
    text: String,
}

impl TokenWish {
    fn read(body: &Object<'_>, app: &App, caller: &Caller) -> Result<Self, Problem> {
        // Starters send an empty text for what is not chosen.
        let chosen = |names: &[&str]| body.any(names).filter(|field| field.value().as_str() != Some(""));
        let room = chosen(&["room_name", "roomName"]).map(|field| field.parse()).transpose()?;
        let identity = chosen(&["participant_identity", "participantIdentity"]);
        let identity = identity.map(|field| Requested::read(&field)).transpose()?;
        let name = chosen(&["participant_name", "participantName"]);
        let name = name.map(|field| display_name(&field)).transpose()?;
        let metadata = match chosen(&["participant_metadata", "participantMetadata"]) {
            Some(field) => {
                let text = field.text()?;
                short(&field, text.len())?;
                text.to_owned()
            }
            None => String::new(),
        };
        let attributes = match body.any(&["participant_attributes", "participantAttributes"]) {
            Some(field) => attributes(&field)?,
            None => HashMap::new(),
        };
        let config = match body.any(&["room_config", "roomConfig"]) {
            Some(field) => room_config(&field.object()?, app, caller)?,
            None => RoomRequest { empty_timeout: Some(EMPTY), ..RoomRequest::default() },
        };
        Ok(Self { room, identity, name, metadata, attributes, config })
    }
}

impl Requested {
    fn read(field: &Field<'_>) -> Result<Self, Problem> {
        let text = field.text()?;
        if text.starts_with(AGENT_PREFIX) {
            return Err(field.wrong(format_args!("must not begin with `{AGENT_PREFIX}`: that is who agents are")));
        }
        if text.len() > PersonId::MAX_LENGTH || text.chars().any(char::is_control) {
            let most = PersonId::MAX_LENGTH;
            return Err(field.wrong(format_args!("must be of at most {most} bytes, on one line")));
        }
        Ok(Self { path: field.path().to_owned(), text: text.to_owned() })
    }
}

/// The identity of somebody who is this person and can be no other, so that nobody can put another out of a room by coming
/// as them:
///
/// - none asked for: `<person>-<6 random>`;
/// - the person's own id: that;
/// - anything else: `<what was asked for>~<person>`, whose part after the last `~` is always the caller's own. Asking for the
///   result gives it again.
fn own_identity(person: &PersonId, requested: Option<&Requested>) -> Result<String, Problem> {
    let Some(Requested { path, text }) = requested else {
        let guard = if person.as_str().starts_with(AGENT_PREFIX) { "~" } else { "" };
        return Ok(format!("{guard}{person}-{}", random(6)));
    };
    if text == person.as_str() && !text.contains('~') {
        return Ok(text.clone());
    }
    let mark = format!("~{}", person.as_str().replace('%', "%25").replace('~', "%7E"));
    let identity = if text.ends_with(&mark) { text.clone() } else { format!("{text}{mark}") };
    if identity.len() > LONGEST_IDENTITY {
        return Err(Problem::field(path.as_str(), format_args!("`{path}` is too long")));
    }
    Ok(identity)
}

/// Who speaks for several people says which one comes, each time.
fn anybodys_identity(requested: Option<&Requested>) -> Result<(PersonId, String), Problem> {
    let identity = requested.map_or_else(|| format!("guest-{}", random(6)), |requested| requested.text.clone());
    let path = requested.map_or("participant_identity", |requested| requested.path.as_str());
    let person = PersonId::new(identity.clone()).map_err(|error| Problem::field(path, error))?;
    Ok((person, identity))
}

fn short(field: &Field<'_>, length: usize) -> Result<(), Problem> {
    if length > MOST_EXTRAS {
        return Err(field.wrong(format_args!("must be of at most {MOST_EXTRAS} bytes")));
    }
    Ok(())
}

fn attributes(field: &Field<'_>) -> Result<HashMap<String, String>, Problem> {
    let object = field.object()?;
    let mut attributes = HashMap::new();
    for name in object.names() {
        let Some(value) = object.get(name) else { continue };
        let value = value.text()?;
        if !RESERVED_ATTRIBUTES.iter().any(|reserved| name.starts_with(reserved)) {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    short(field, attributes.iter().map(|(name, value)| name.len() + value.len()).sum())?;
    Ok(attributes)
}

/// Of a `RoomConfiguration`, what is the caller's to choose. What else a newer client may say is passed over.
fn room_config(config: &Object<'_>, app: &App, caller: &Caller) -> Result<RoomRequest, Problem> {
    if let Some(field) = config.get("egress") {
        return Err(field.wrong("can't be had: rooms are not recorded"));
    }
    if let Some(field) = config.get("agents") {
        for agent in field.list()? {
            let Some(name) = agent.object()?.any(&["agent_name", "agentName"]) else { continue };
            let known = ["", app.options.agent_name.as_str(), caller.agent.as_str()];
            if !known.contains(&name.text()?) {
                return Err(
                    name.wrong(format_args!("names an agent that is not here: leave it out, `{}` comes", caller.agent))
                );
            }
        }
    }
    let seconds = |names: &[&str]| {
        let field = config.any(names).filter(|field| field.value().as_u64() != Some(0));
        field.map(|field| field.integer(1..=EMPTY_AT_MOST).map(Duration::from_secs)).transpose()
    };
    let most = config.any(&["max_participants", "maxParticipants"]).filter(|field| field.value().as_u64() != Some(0));
    let most = most.map(|field| field.integer(1..=10_000)).transpose()?;
    Ok(RoomRequest {
        name: String::new(),
        empty_timeout: Some(seconds(&["empty_timeout", "emptyTimeout"])?.unwrap_or(EMPTY)),
        departure_timeout: seconds(&["departure_timeout", "departureTimeout"])?,
        // The agent needs a seat, too.
        max_participants: most.and_then(|most| u32::try_from(most + 1).ok()),
    })
}

/// `GET /v1/rooms`: the rooms that an agent is in.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let mut data = Vec::new();
    let mut rooms = app.rooms.rooms(&caller.tenant).await?;
    rooms.sort();
    for room in rooms {
        // It may just have been given back.
        let Some(state) = app.rooms.state(&caller.tenant, &room).await? else { continue };
        if caller.sees_only().is_some_and(|person| !state.people.iter().any(|one| one == person.as_str())) {
            continue;
        }
        data.push(json!({
            "room": room,
            "agent_state": state.agent_state,
            "people": state.people,
            "session_id": state.session,
            "muted": state.muted,
            "off_the_record": state.off_the_record,
        }));
    }
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/rooms/{room}/control`: one wish to the agent in the room.
pub(crate) async fn control(
    State(app): State<App>,
    caller: Caller,
    room: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<RoomControlReply>, Problem> {
    let Path(room) = room.map_err(|_| no_agent())?;
    let room = RoomName::new(room).map_err(|_| no_agent())?;
    concerns("room", &room);
    let action = action(&body.object()?, &app, &caller).await?;
    if let Some(person) = caller.sees_only() {
        let state = app.rooms.state(&caller.tenant, &room).await?;
        let is_there = state.is_some_and(|state| state.people.iter().any(|one| one == person.as_str()));
        if !is_there {
            return Err(no_agent());
        }
    }
    let is_leave = matches!(action, room_control::Action::Leave(_));
    let livekit_room = room_name(&caller.tenant, &room);
    if is_leave {
        // Before it has gone: nobody must see a room without an agent that was not meant to have none.
        match reconciler::remember_left(&app.admin, &livekit_room).await {
            Err(error) if error.is_not_found() => return Err(no_agent()),
            noted => noted?,
        }
    }
    let wish = RoomControl { action: Some(action) };
    let context = app.context(&caller).with_deadline(CONTROL);
    let asked = app.bus.request(&context, &subject::room_control(&caller.tenant, &room), &wish).await;
    if is_leave && asked.is_err() {
        let _ = reconciler::forget_left(&app.admin, &livekit_room).await;
    }
    asked.map(Json).map_err(|error| match error {
        Error::NoWorker { .. } => no_agent(),
        error => error.into(),
    })
}

/// The same whether there is no such room, nobody in it, or it is another's.
fn no_agent() -> Problem {
    Problem::not_found("there is no room of this name with an agent in it")
}

const ACTIONS: &str = "`say`, `write`, `interrupt`, `mute`, `offTheRecord`, `leave` or `look`";

async fn action(body: &Object<'_>, app: &App, caller: &Caller) -> Result<room_control::Action, Problem> {
    let mut wishes = body.names().filter_map(|name| body.get(name).map(|field| (name, field)));
    let (Some((name, field)), None) = (wishes.next(), wishes.next()) else {
        return Err(Problem::new(ErrorCode::InvalidArgument, format_args!("the body must be one of {ACTIONS}")));
    };
    let wish = field.object()?;
    Ok(match name {
        "look" => room_control::Action::Look(Look {}),
        "interrupt" => room_control::Action::Interrupt(Interrupt {}),
        "leave" => room_control::Action::Leave(Leave {}),
        "say" => room_control::Action::Say(Say { text: text(&wish)? }),
        "mute" => room_control::Action::Mute(Mute { muted: wish.required("muted")?.flag()? }),
        "offTheRecord" | "off_the_record" => {
            room_control::Action::OffTheRecord(OffTheRecord { off: wish.required("off")?.flag()? })
        }
        "write" => {
            let text = text(&wish)?;
            let person = match (&caller.person, wish.any(&["personId", "person_id"])) {
                (Some(person), _) => person.clone(),
                (None, Some(field)) => field.parse()?,
                (None, None) => {
                    return Err(Problem::field(
                        "write.personId",
                        "this key is nobody's: `write.personId` says who writes",
                    ));
                }
            };
            let person_name = app.names.of(app, &caller.tenant, &person).await;
            room_control::Action::Write(Write { person_id: person.to_string(), person_name, text })
        }
        _ => return Err(Problem::field(name, format_args!("`{name}` is nothing that an agent can do: {ACTIONS} are"))),
    })
}

fn text(wish: &Object<'_>) -> Result<String, Problem> {
    let field = wish.required("text")?;
    let text = field.text()?;
    if text.trim().is_empty() {
        return Err(field.wrong("must not be empty"));
    }
    if text.len() > LONGEST_TEXT {
        let message = format!("`{}` is longer than {LONGEST_TEXT} bytes", field.path());
        return Err(Problem::new(ErrorCode::TooLarge, message).at(field.path()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(person: &str, requested: &str) -> String {
        let requested = Requested { path: "participant_identity".to_owned(), text: requested.to_owned() };
        own_identity(&PersonId::new(person).unwrap(), Some(&requested)).unwrap()
    }

    #[test]
    fn identities_are_readable_and_stay_what_they_are() {
        assert_eq!(identity("ada", "ada"), "ada");
        assert_eq!(identity("ada", "phone"), "phone~ada");
        assert_eq!(identity("ada", "phone~ada"), "phone~ada");
        assert_eq!(identity("ada", "bob"), "bob~ada");
        assert_eq!(identity("ada", "bob~bob"), "bob~bob~ada");
        let fresh = own_identity(&PersonId::new("ada").unwrap(), None).unwrap();
        assert!(fresh.starts_with("ada-") && fresh.len() == 10, "{fresh}");
        let sly = own_identity(&PersonId::new("agent-kitchen").unwrap(), None).unwrap();
        assert!(!sly.starts_with(AGENT_PREFIX), "{sly}");
        let longest = Requested { path: "p".to_owned(), text: "x".repeat(128) };
        assert!(own_identity(&PersonId::new("~".repeat(128)).unwrap(), Some(&longest)).is_err());
    }

    proptest! {
        #[test]
        fn two_persons_never_get_one_identity(
            one in "[ab~%7E-]{1,6}", two in "[ab~%7E-]{1,6}", asked_one in "[ab~%7E-]{1,12}", asked_two in "[ab~%7E-]{1,12}"
        ) {
            prop_assume!(one != two);
            prop_assert_ne!(identity(&one, &asked_one), identity(&two, &asked_two));
            // Who was given an identity may ask for it, and another may, too.
            let given = identity(&one, &asked_one);
            prop_assert_eq!(&identity(&one, &given), &given);
            prop_assert_ne!(identity(&two, &given), given);
        }
    }
}
