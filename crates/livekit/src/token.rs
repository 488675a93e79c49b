//! Tokens: who may join which room as whom. Signed with the server's API key, checked by the server.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use livekit_api::access_token::{AccessToken, AccessTokenError, VideoGrants};
use livekit_protocol::{RoomAgentDispatch, RoomConfiguration};

use crate::ParticipantIdentity;

/// How long a token opens the door when nothing else is said. Who is inside stays inside.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The key and secret that the LiveKit server was configured with. The secret never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub key: String,
    pub secret: String,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("key", &self.key).field("secret", &"***").finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make a token: the {what} is empty")]
    Empty { what: &'static str },
    #[error("cannot sign a token: {0}; check LIVEKIT_API_KEY and LIVEKIT_API_SECRET")]
    Sign(#[from] AccessTokenError),
}

/// What a token says about whoever carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// LiveKit's name of the room; see [`room_name`](crate::room_name).
    pub room: String,
    pub identity: ParticipantIdentity,
    /// Shown to others.
    pub name: String,
    pub attributes: HashMap<String, String>,
    /// Free text for others in the room.
    pub metadata: String,
    pub lifetime: Duration,
    /// Agents to call by name when this token opens the room. Replaces automatic dispatch.
    pub agents: Vec<AgentCall>,
}

/// An agent that is to come when a room opens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentCall {
    pub agent_name: String,
    /// Handed to the agent with its job.
    pub metadata: String,
}

impl Grant {
    pub fn new(room: impl Into<String>, identity: impl Into<ParticipantIdentity>) -> Self {
        Self {
            room: room.into(),
            identity: identity.into(),
            name: String::new(),
            attributes: HashMap::new(),
            metadata: String::new(),
            lifetime: DEFAULT_LIFETIME,
            agents: Vec::new(),
        }
    }
}

/// For a person: may speak, listen and write, and may not change who they are.
///
/// # Errors
/// When the room or the identity is empty, or the key is.
pub fn person(key: &ApiKey, grant: Grant) -> Result<String, Error> {
    join(key, grant, None)
}

/// For an agent that joins on its own, without having been dispatched: kind `AGENT`, and may set its attributes.
///
/// # Errors
/// When the room or the identity is empty, or the key is.
pub fn agent(key: &ApiKey, grant: Grant) -> Result<String, Error> {
    join(key, grant, Some("agent"))
}

/// For the socket on which a worker registers.
///
/// # Errors
/// When the key is empty.
pub fn worker(key: &ApiKey) -> Result<String, Error> {
    let grants = VideoGrants { agent: true, ..Default::default() };
    Ok(signer(key)?.with_ttl(DEFAULT_LIFETIME).with_grants(grants).to_jwt()?)
}

fn join(key: &ApiKey, grant: Grant, kind: Option<&str>) -> Result<String, Error> {
    if grant.room.is_empty() {
        return Err(Error::Empty { what: "room" });
    }
    if grant.identity.as_str().is_empty() {
        return Err(Error::Empty { what: "identity" });
    }
    let is_agent = kind.is_some();
    let grants = VideoGrants {
        room_join: true,
        room: grant.room,
        agent: is_agent,
        can_publish: Some(true),
        can_subscribe: Some(true),
        can_publish_data: Some(true),
        can_update_own_metadata: Some(is_agent),
        ..Default::default()
    };
    let mut token = signer(key)?
        .with_ttl(grant.lifetime)
        .with_identity(grant.identity.as_str())
        .with_name(&grant.name)
        .with_attributes(grant.attributes)
        .with_metadata(&grant.metadata)
        .with_grants(grants);
    if let Some(kind) = kind {
        token = token.with_kind(kind);
    }
    if !grant.agents.is_empty() {
        let agents = grant
            .agents
            .into_iter()
            .map(|call| RoomAgentDispatch {
                agent_name: call.agent_name,
                metadata: call.metadata,
                ..Default::default()
            })
            .collect();
        token = token.with_room_config(RoomConfiguration { agents, ..Default::default() });
    }
    Ok(token.to_jwt()?)
}

fn signer(key: &ApiKey) -> Result<AccessToken, Error> {
    if key.key.is_empty() {
        return Err(Error::Empty { what: "API key" });
    }
    if key.secret.is_empty() {
        return Err(Error::Empty { what: "API secret" });
    }
    Ok(AccessToken::with_api_key(&key.key, &key.secret))
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::TokenVerifier;

    use super::*;

    fn key() -> ApiKey {
        ApiKey { key: "key".to_owned(), secret: "a secret of more than thirty-two characters".to_owned() }
    }

    #[test]
    fn a_person_may_not_change_who_they_are() {
        let mut grant = Grant::new("acme/kitchen", "ada");
        grant.agents.push(AgentCall { agent_name: "aether".to_owned(), metadata: String::new() });
        let claims = TokenVerifier::with_api_key("key", &key().secret).verify(&person(&key(), grant).unwrap()).unwrap();
        assert_eq!((claims.sub.as_str(), claims.video.room.as_str()), ("ada", "acme/kitchen"));
        assert!(claims.video.room_join && !claims.video.agent);
        assert_eq!(claims.video.can_update_own_metadata, Some(false));
        assert_eq!(claims.room_config.unwrap().agents[0].agent_name, "aether");
    }

    #[test]
    fn an_agent_is_of_its_own_kind() {
        let token = agent(&key(), Grant::new("acme/kitchen", "agent-kitchen")).unwrap();
        let claims = TokenVerifier::with_api_key("key", &key().secret).verify(&token).unwrap();
        assert_eq!(claims.kind, "agent");
        assert_eq!(claims.video.can_update_own_metadata, Some(true));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(person(&key(), Grant::new("", "ada")), Err(Error::Empty { what: "room" })));
        assert!(matches!(person(&key(), Grant::new("r", "")), Err(Error::Empty { what: "identity" })));
        let unset = ApiKey { key: "key".to_owned(), secret: String::new() };
        assert!(matches!(worker(&unset), Err(Error::Empty { what: "API secret" })));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", key()).contains("thirty-two"));
    }
}
