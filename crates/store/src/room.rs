//! Rooms as they are right now: who holds one, and what happens in it.

use std::fmt;
use std::time::Duration;

use aether_proto::{RoomName, TenantId, TurnId};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, IntoConnectionInfo as _};
use serde::{Deserialize, Serialize};

use crate::room_key::RoomKey;

/// What everybody may know about a running room. Written by its holder, gone with its lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// As in `aether.v1.AgentState`.
    pub agent_state: String,
    /// Identities of the people in the room.
    pub participants: Vec<String>,
    /// How far the newest answer has been heard.
    pub last_heard: Option<LastHeard>,
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

    /// What the holder last wrote; `None` when nobody holds the room.
    pub async fn state(&self, tenant: &TenantId, room: &RoomName) -> Result<Option<RoomState>, RoomsError> {
        let key = RoomKey::new(tenant, room).state();
        let json: Option<String> = self.connection.clone().get(key).await.map_err(RoomsError::Unavailable)?;
        json.map(|json| serde_json::from_str(&json).map_err(|_| RoomsError::Unreadable)).transpose()
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}
