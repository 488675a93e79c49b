//! Rooms as they are right now: who holds one, and what happens in it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use aether_proto::{PersonId, RoomName, SessionId, TenantId, TurnId};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, IntoConnectionInfo as _};
use serde::{Deserialize, Serialize};

use crate::room_key::RoomKey;

/// How many keys Redis looks at before it serves somebody else.
const KEYS_PER_LOOK: u32 = 1000;

/// What everybody may know about a running room, and what another agent needs to go on there. Written by its holder; gone
/// when the holder leaves, or [`RoomState::OUTLIVES_LEASE`] after the lease of one that didn't come to leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// As in `aether.v1.AgentState`.
    pub agent_state: String,
    /// Identities of the people in the room.
    pub participants: Vec<String>,
    /// How far the newest answer has been heard.
    pub last_heard: Option<LastHeard>,
    /// The session that goes on here, also under the next agent.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// Person ids of those in the room.
    #[serde(default)]
    pub people: Vec<String>,
    /// Person ids of those who were greeted in this session.
    #[serde(default)]
    pub greeted: Vec<String>,
    /// Answers are written, not spoken.
    #[serde(default)]
    pub muted: bool,
    /// Nothing that is said is kept.
    #[serde(default)]
    pub off_the_record: bool,
    /// What was said and is not answered to the end.
    #[serde(default)]
    pub open_turn: Option<OpenTurn>,
}

impl RoomState {
    /// How long the state stays when its holder is gone and nobody took the room.
    pub const OUTLIVES_LEASE: Duration = Duration::from_secs(60);
}

/// A turn that is committed and not ended. Whoever takes the room over answers it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTurn {
    pub turn: TurnId,
    /// Person id.
    pub person: String,
    pub person_name: String,
    /// The participant's identity.
    pub identity: String,
    pub words: String,
}

impl fmt::Debug for OpenTurn {
    /// Without the words: they are for the next agent, not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTurn").field("turn", &self.turn).field("person", &self.person).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHeard {
    pub turn: TurnId,
    pub text_bytes: u32,
}

/// Who holds a room. Of two that believe they do, the higher epoch is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomHolder {
    pub holder: String,
    pub epoch: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RoomsError {
    /// Not shown: it may hold a password.
    #[error("not a redis URL; expected redis://HOST:PORT")]
    Url(#[source] redis::RedisError),
    #[error("redis does not answer; check that it runs and that REDIS_URL is right")]
    Unavailable(#[source] redis::RedisError),
    #[error("redis holds something under a room's keys that is not ours")]
    Unreadable,
}

/// Redis, as far as rooms need it. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Rooms {
    pub(crate) connection: ConnectionManager,
}

impl Rooms {
    /// Returns at once, also while Redis is away: the first command connects, and a later one reconnects when it must.
    /// Needs a tokio runtime.
    pub fn connect(url: &str) -> Result<Self, RoomsError> {
        let info = url.into_connection_info().map_err(RoomsError::Url)?;
        let client = redis::Client::open(info).map_err(RoomsError::Url)?;
        // A command answers or fails within a second: whoever asks has a person waiting, or asks again soon.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(500)))
            .set_response_timeout(Some(Duration::from_millis(500)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200));
        let connection = client.get_connection_manager_lazy(config).map_err(RoomsError::Url)?;
        Ok(Self { connection })
    }

    /// A real round trip.
    pub async fn ready(&self) -> Result<(), RoomsError> {
        redis::cmd("PING").exec_async(&mut self.connection.clone()).await.map_err(RoomsError::Unavailable)
    }

    pub async fn holder(&self, tenant: &TenantId, room: &RoomName) -> Result<Option<RoomHolder>, RoomsError> {
        let key = RoomKey::new(tenant, room).lease();
        let (holder, epoch): (Option<String>, Option<u64>) =
            self.connection.clone().hmget(key, &["holder", "epoch"]).await.map_err(RoomsError::Unavailable)?;
        Ok(holder.zip(epoch).map(|(holder, epoch)| RoomHolder { holder, epoch }))
    }

    /// What the holder, or the last one, wrote; `None` when there has been none since the room was last given back.
    pub async fn state(&self, tenant: &TenantId, room: &RoomName) -> Result<Option<RoomState>, RoomsError> {
        let key = RoomKey::new(tenant, room).state();
        let json: Option<String> = self.connection.clone().get(key).await.map_err(RoomsError::Unavailable)?;
        json.map(|json| serde_json::from_str(&json).map_err(|_| RoomsError::Unreadable)).transpose()
    }

    /// The tenant's rooms that somebody holds, by name. Looks through all keys, so it is for lists that people see, not for
    /// every request.
    pub async fn rooms(&self, tenant: &TenantId) -> Result<Vec<RoomName>, RoomsError> {
        let mut connection = self.connection.clone();
        let mut rooms = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(RoomKey::leases(tenant))
                .arg("COUNT")
                .arg(KEYS_PER_LOOK)
                .query_async(&mut connection)
                .await
                .map_err(RoomsError::Unavailable)?;
            // A key may come twice.
            rooms.extend(keys.iter().filter_map(|key| RoomKey::room_of_lease(tenant, key)));
            if next == 0 {
                return Ok(rooms.into_iter().collect());
            }
            cursor = next;
        }
    }

    /// The rooms that this person is in.
    pub async fn rooms_of(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<RoomName>, RoomsError> {
        let mut theirs = Vec::new();
        for room in self.rooms(tenant).await? {
            let state = self.state(tenant, &room).await?;
            if state.is_some_and(|state| state.people.iter().any(|one| one == person.as_str())) {
                theirs.push(room);
            }
        }
        Ok(theirs)
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}
