//! Rooms seen from outside: making and ending them, looking who is there, calling an agent.

use std::collections::HashMap;
use std::time::Duration;

use livekit_api::services::ServiceError;
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::{CreateRoomOptions, RoomClient};
use livekit_protocol as proto;

use crate::server_url::with_scheme;
use crate::{ApiKey, ParticipantIdentity, ParticipantKind};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the LiveKit address {url:?} is not a ws, wss, http or https URL")]
    Url { url: String },
    #[error("the LiveKit server did not {operation}: {source}")]
    Service { operation: &'static str, source: ServiceError },
}

/// A call for an agent to come to a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DispatchRequest {
    /// LiveKit's name of the room.
    pub room: String,
    /// Empty means whoever takes automatic jobs.
    pub agent_name: String,
    /// Handed to the agent with its job.
    pub metadata: String,
}

/// Who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantSummary {
    pub identity: ParticipantIdentity,
    pub name: String,
    pub kind: ParticipantKind,
    pub attributes: HashMap<String, String>,
    pub metadata: String,
    /// Whether they are really there, rather than joining or leaving.
    pub active: bool,
}

/// The server's room and dispatch services. Keeps one connection pool; share it.
#[derive(Debug)]
pub struct RoomAdmin {
    rooms: RoomClient,
    dispatches: AgentDispatchClient,
}

impl RoomAdmin {
    /// Takes the same address as the rooms are joined at. Does not connect yet.
    ///
    /// # Errors
    /// When the address is not a URL.
    pub fn new(url: &str, key: &ApiKey) -> Result<Self, AdminError> {
        let host = with_scheme(url, "http", "https").ok_or_else(|| AdminError::Url { url: url.to_owned() })?;
        // The HTTP client picks up the process's cryptography provider; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            rooms: RoomClient::with_api_key(&host, &key.key, &key.secret).with_request_timeout(TIMEOUT),
            dispatches: AgentDispatchClient::with_api_key(&host, &key.key, &key.secret).with_request_timeout(TIMEOUT),
        })
    }

    /// Makes a room that stays for `empty_timeout` although nobody is in it. A room that exists is left as it is.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn create_room(&self, room: &str, empty_timeout: Duration) -> Result<(), AdminError> {
        let options = CreateRoomOptions {
            empty_timeout: u32::try_from(empty_timeout.as_secs()).unwrap_or(u32::MAX),
            ..Default::default()
        };
        self.rooms.create_room(room, options).await.map(drop).map_err(service("create a room"))
    }

    /// Ends a room for everybody in it.
    ///
    /// # Errors
    /// When the server can't be reached, or there is no such room.
    pub async fn delete_room(&self, room: &str) -> Result<(), AdminError> {
        self.rooms.delete_room(room).await.map_err(service("delete a room"))
    }

    /// The names of all rooms.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn list_rooms(&self) -> Result<Vec<String>, AdminError> {
        let rooms = self.rooms.list_rooms(Vec::new()).await.map_err(service("list its rooms"))?;
        Ok(rooms.into_iter().map(|room| room.name).collect())
    }

    /// # Errors
    /// When the server can't be reached, or there is no such room.
    pub async fn list_participants(&self, room: &str) -> Result<Vec<ParticipantSummary>, AdminError> {
        let participants =
            self.rooms.list_participants(room).await.map_err(service("list the participants of a room"))?;
        Ok(participants.into_iter().map(ParticipantSummary::from).collect())
    }

    /// # Errors
    /// When the server can't be reached, or there is no such participant.
    pub async fn remove_participant(&self, room: &str, identity: &ParticipantIdentity) -> Result<(), AdminError> {
        self.rooms.remove_participant(room, identity.as_str()).await.map_err(service("remove a participant"))
    }

    /// Calls an agent; the room is made if need be. Ok does not mean that one comes: with no worker of that name the call
    /// is forgotten.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn create_dispatch(&self, request: DispatchRequest) -> Result<String, AdminError> {
        let request = proto::CreateAgentDispatchRequest {
            agent_name: request.agent_name,
            room: request.room,
            metadata: request.metadata,
            ..Default::default()
        };
        let dispatch = self.dispatches.create_dispatch(request).await.map_err(service("call an agent"))?;
        Ok(dispatch.id)
    }
}

impl From<proto::ParticipantInfo> for ParticipantSummary {
    fn from(info: proto::ParticipantInfo) -> Self {
        let kind = match info.kind() {
            proto::participant_info::Kind::Ingress => ParticipantKind::Ingress,
            proto::participant_info::Kind::Egress => ParticipantKind::Egress,
            proto::participant_info::Kind::Sip => ParticipantKind::Sip,
            proto::participant_info::Kind::Agent => ParticipantKind::Agent,
            proto::participant_info::Kind::Connector => ParticipantKind::Connector,
            proto::participant_info::Kind::Bridge => ParticipantKind::Bridge,
            _ => ParticipantKind::Standard,
        };
        let active = info.state() == proto::participant_info::State::Active;
        Self {
            identity: info.identity.into(),
            name: info.name,
            kind,
            attributes: info.attributes,
            metadata: info.metadata,
            active,
        }
    }
}

fn service(operation: &'static str) -> impl FnOnce(ServiceError) -> AdminError {
    move |source| AdminError::Service { operation, source }
}
