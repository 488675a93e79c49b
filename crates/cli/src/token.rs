use std::time::Duration;

use aether_livekit::well_known::PERSON_ATTRIBUTE;
use aether_livekit::{ApiKey, room_name, token};
use aether_proto::RoomName;
use aether_settings::{IdentitySettings, LiveKitSettings};
use serde_json::json;

use crate::{Context, Error, print};

/// Make a token with which a person joins a room from any LiveKit client.
///
/// Prints the server's URL and the token: paste both into a LiveKit web or mobile client, or hand them to its SDK. The
/// agent comes by itself when somebody is in the room.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether token --room kitchen --identity ada --name Ada\n  \
    aether token --room kitchen --identity ada --json | jq -r .token")]
pub struct Arguments {
    /// The room to join; it is made when the first person joins
    #[arg(long)]
    room: String,
    /// Who joins: unique in the room, and what memories are kept under
    #[arg(long)]
    identity: String,
    /// The name that others see [default: the identity]
    #[arg(long)]
    name: Option<String>,
    /// How many hours the token opens the door; who is inside stays inside
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=720))]
    hours: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    let (livekit, identity) = context.settings(|loader| {
        let (livekit, identity) = (LiveKitSettings::read(loader), IdentitySettings::read(loader));
        Ok((livekit?, identity?))
    })?;
    let room = RoomName::new(arguments.room.as_str()).map_err(|error| Error::Input(format!("--room: {error}")))?;
    let key = ApiKey { key: livekit.api_key, secret: livekit.api_secret.expose().to_owned() };
    let mut grant = token::Grant::new(room_name(&identity.tenant, &room), arguments.identity.as_str());
    grant.name = arguments.name.clone().unwrap_or_else(|| arguments.identity.clone());
    grant.attributes.insert(PERSON_ATTRIBUTE.to_owned(), arguments.identity.clone());
    grant.lifetime = Duration::from_secs(arguments.hours * 3600);
    let token = token::person(&key, grant).map_err(|error| Error::Input(error.to_string()))?;
    if arguments.json {
        print::line(
            &json!({
                "url": livekit.url.expose(),
                "token": token,
                "room": room.as_str(),
                "identity": arguments.identity,
                "valid_hours": arguments.hours,
            })
            .to_string(),
        )?;
    } else {
        print::line(&format!("URL    {}\ntoken  {token}", livekit.url.expose()))?;
    }
    Ok(())
}
