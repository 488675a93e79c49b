//! Rooms seen from outside: making and ending them, looking who is there, calling an agent.

use std::collections::HashMap;
use std::time::Duration;

use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::{CreateRoomOptions, RoomClient};
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError};
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

impl AdminError {
    /// Whether the room or participant that was spoken of is not there (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Service { source: ServiceError::Twirp(ServerError::Twirp(code)), .. }
                if code.code == ServerErrorCode::NOT_FOUND
        )
    }
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

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub id: String,
    pub agent_name: String,
    pub metadata: String,
}

/// How a room is to be. What is `None` is left to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomRequest {
    /// LiveKit's name of it.
    pub name: String,
    /// How long it stays although nobody has come.
    pub empty_timeout: Option<Duration>,
    /// How long it stays after the last one has gone.
    pub departure_timeout: Option<Duration>,
    pub max_participants: Option<u32>,
}

/// A room as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: String,
    /// Free text that lives as long as the room does, the same for everybody who looks.
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
        let name = room.to_owned();
        self.make_room(RoomRequest { name, empty_timeout: Some(empty_timeout), ..RoomRequest::default() }).await
    }

    /// Makes a room. One that exists is left as it is.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn make_room(&self, request: RoomRequest) -> Result<(), AdminError> {
        let seconds = |duration: Option<Duration>| {
            duration.map_or(0, |duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1))
        };
        let options = CreateRoomOptions {
            empty_timeout: seconds(request.empty_timeout),
            departure_timeout: seconds(request.departure_timeout),
            max_participants: request.max_participants.unwrap_or_default(),
            ..Default::default()
        };
        self.rooms.create_room(&request.name, options).await.map(drop).map_err(service("create a room"))
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

    /// All rooms as they are.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn room_summaries(&self) -> Result<Vec<RoomSummary>, AdminError> {
        let rooms = self.rooms.list_rooms(Vec::new()).await.map_err(service("list its rooms"))?;
        Ok(rooms.into_iter().map(|room| RoomSummary { name: room.name, metadata: room.metadata }).collect())
    }

    /// Replaces a room's free text.
    ///
    /// # Errors
    /// When the server can't be reached, or there is no such room.
    pub async fn set_room_metadata(&self, room: &str, metadata: &str) -> Result<(), AdminError> {
        let updated = self.rooms.update_room_metadata(room, metadata).await;
        updated.map(drop).map_err(service("change a room's metadata"))
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

    /// The calls for agents that were made in a room, however they ended. The server makes one by itself for a new room, to
    /// whoever takes automatic jobs.
    ///
    /// # Errors
    /// When the server can't be reached, or there is no such room.
    pub async fn list_dispatches(&self, room: &str) -> Result<Vec<Dispatch>, AdminError> {
        let dispatches = self.dispatches.list_dispatch(room).await.map_err(service("list the calls for agents"))?;
        let summarise = |dispatch: proto::AgentDispatch| Dispatch {
            id: dispatch.id,
            agent_name: dispatch.agent_name,
            metadata: dispatch.metadata,
        };
        Ok(dispatches.into_iter().map(summarise).collect())
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
