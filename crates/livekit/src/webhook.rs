//! What the LiveKit server tells by itself: a POST for each thing that happens, signed with the API key.
//!
//! The signature is a token in the `Authorization` header whose claims hold a hash of the body, so neither can be used with
//! another. The body is read for what is needed and no further: a newer server may say more.

use base64::Engine as _;
use livekit_api::access_token::{AccessTokenError, TokenVerifier};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{ApiKey, ParticipantIdentity};

/// Something that happened. Rooms are called as LiveKit does; see [`parse_room_name`](crate::parse_room_name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    RoomStarted {
        room: String,
    },
    RoomFinished {
        room: String,
    },
    ParticipantJoined {
        room: String,
        identity: ParticipantIdentity,
    },
    ParticipantLeft {
        room: String,
        identity: ParticipantIdentity,
    },
    /// Anything else: tracks, jobs, recordings.
    Other {
        event: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the signature is not one of this LiveKit server's key: {0}")]
    Signature(#[from] AccessTokenError),
    #[error("the signature belongs to another body")]
    Body,
    #[error("the event can't be read: {0}")]
    Unreadable(#[source] serde_json::Error),
}

impl WebhookEvent {
    /// Checks that the server signed this body, and reads it. `authorization` is the header as it came.
    ///
    /// # Errors
    /// When it was not, or is not an event.
    pub fn receive(key: &ApiKey, authorization: &str, body: &[u8]) -> Result<Self, WebhookError> {
        let token = authorization.strip_prefix("Bearer ").unwrap_or(authorization).trim();
        let claims = TokenVerifier::with_api_key(&key.key, &key.secret).verify(token)?;
        // A token without a hash is one for something else, as a participant's.
        let signed = base64::engine::general_purpose::STANDARD.decode(claims.sha256).map_err(|_| WebhookError::Body)?;
        if signed != Sha256::digest(body).as_slice() {
            return Err(WebhookError::Body);
        }
        let told: Told = serde_json::from_slice(body).map_err(WebhookError::Unreadable)?;
        let room = told.room.name;
        let identity = ParticipantIdentity::from(told.participant.identity);
        Ok(match told.event.as_str() {
            "room_started" => Self::RoomStarted { room },
            "room_finished" => Self::RoomFinished { room },
            "participant_joined" => Self::ParticipantJoined { room, identity },
            "participant_left" | "participant_connection_aborted" => Self::ParticipantLeft { room, identity },
            _ => Self::Other { event: told.event },
        })
    }
}

#[derive(Deserialize)]
struct Told {
    event: String,
    #[serde(default)]
    room: Room,
    #[serde(default)]
    participant: Participant,
}

#[derive(Deserialize, Default)]
struct Room {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Default)]
struct Participant {
    #[serde(default)]
    identity: String,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use livekit_api::access_token::AccessToken;

    use super::*;

    const JOINED: &str = r#"{"event":"participant_joined","id":"EV_1","createdAt":"1700000000","fromTheFuture":{"x":[1]},
        "room":{"sid":"RM_1","name":"acme/kitchen 🍳/1.2","emptyTimeout":60},
        "participant":{"sid":"PA_1","identity":"ada","state":"SOMETHING_NEW"}}"#;

    fn key() -> ApiKey {
        ApiKey { key: "key".to_owned(), secret: "a secret of more than thirty-two characters".to_owned() }
    }

    fn signature(key: &ApiKey, body: &str) -> String {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body));
        AccessToken::with_api_key(&key.key, &key.secret)
            .with_ttl(Duration::from_secs(300))
            .with_sha256(&hash)
            .to_jwt()
            .unwrap()
    }

    #[test]
    fn a_signed_event_is_read_and_what_is_new_in_it_is_passed_over() {
        let joined = WebhookEvent::ParticipantJoined { room: "acme/kitchen 🍳/1.2".into(), identity: "ada".into() };
        let token = signature(&key(), JOINED);
        assert_eq!(WebhookEvent::receive(&key(), &token, JOINED.as_bytes()).unwrap(), joined);
        assert_eq!(WebhookEvent::receive(&key(), &format!("Bearer {token}"), JOINED.as_bytes()).unwrap(), joined);

        let other = r#"{"event":"track_published","track":{"sid":"TR_1"}}"#;
        let read = WebhookEvent::receive(&key(), &signature(&key(), other), other.as_bytes()).unwrap();
        assert_eq!(read, WebhookEvent::Other { event: "track_published".to_owned() });
    }

    #[test]
    fn what_was_not_signed_is_refused() {
        let token = signature(&key(), JOINED);
        let other = JOINED.replace("ada", "eve");
        assert!(matches!(WebhookEvent::receive(&key(), &token, other.as_bytes()), Err(WebhookError::Body)));

        let stranger = ApiKey { secret: "another secret of thirty-two characters".to_owned(), ..key() };
        let forged = signature(&stranger, JOINED);
        assert!(matches!(WebhookEvent::receive(&key(), &forged, JOINED.as_bytes()), Err(WebhookError::Signature(_))));
        assert!(matches!(WebhookEvent::receive(&key(), "", JOINED.as_bytes()), Err(WebhookError::Signature(_))));

        let joins = crate::token::person(&key(), crate::token::Grant::new("acme/kitchen", "ada")).unwrap();
        assert!(
            matches!(WebhookEvent::receive(&key(), &joins, JOINED.as_bytes()), Err(WebhookError::Body)),
            "a participant's token signs nothing"
        );
    }

    #[test]
    fn rubbish_that_was_signed_is_unreadable() {
        let token = signature(&key(), "[]");
        assert!(matches!(WebhookEvent::receive(&key(), &token, b"[]"), Err(WebhookError::Unreadable(_))));
    }
}
