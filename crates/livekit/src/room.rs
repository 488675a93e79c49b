//! A room that we are in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::ffi::{self, Handle, RoomEvents, Runtime, runtime, wire};
use crate::room_state::RoomState;
use crate::{DisconnectReason, LocalParticipant, ParticipantIdentity, RemoteParticipant, RoomEvent};

/// Events that may wait to be taken. When that many wait, the room is left.
const EVENT_QUEUE: usize = 1024;
/// How long leaving waits for the server to be told.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What can go wrong in a room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "cannot join a room at {url}: {reason}; check that the LiveKit server runs there and that \
         LIVEKIT_API_KEY and LIVEKIT_API_SECRET are its own"
    )]
    Connect { url: String, reason: String },
    #[error("cannot {operation}: {reason}")]
    Rejected { operation: &'static str, reason: String },
    #[error("cannot {operation}: the room has been left")]
    Closed { operation: &'static str },
    #[error(
        "cannot capture audio of {sample_rate} Hz with {num_channels} channels: \
         the source takes {expected_sample_rate} Hz with {expected_num_channels}"
    )]
    Format { sample_rate: u32, num_channels: u32, expected_sample_rate: u32, expected_num_channels: u32 },
    #[error("cannot cancel echo in {samples} samples at once: 10 ms are {expected}")]
    FrameLength { samples: usize, expected: usize },
    #[error(transparent)]
    Library(#[from] ffi::Error),
}

/// How to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomOptions {
    /// Receive every track that anyone publishes. Otherwise ask for each with
    /// [`set_subscribed`](crate::RemoteTrackPublication::set_subscribed).
    pub auto_subscribe: bool,
    /// Further attempts when the first fails.
    pub join_retries: u32,
    /// Per attempt.
    pub connect_timeout: Duration,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self { auto_subscribe: true, join_retries: 1, connect_timeout: Duration::from_secs(10) }
    }
}

/// Our stay in a room. Dropping it leaves, as [`close`](Self::close) does, but without waiting.
#[derive(Debug)]
pub struct Room {
    runtime: &'static Runtime,
    name: String,
    id: u64,
    /// Taken by whoever leaves first.
    handle: Mutex<Option<Handle>>,
    state: Arc<RoomState>,
    local_participant: LocalParticipant,
}

impl Room {
    /// Joins the room that the token names. Take the events out of the receiver without long pauses.
    ///
    /// # Errors
    /// When the library is not loaded, the server can't be reached or refuses the token.
    pub async fn connect(
        url: &str,
        token: &str,
        options: RoomOptions,
    ) -> Result<(Self, mpsc::Receiver<RoomEvent>), Error> {
        let operation = "join a room";
        let runtime = runtime()?;
        let answer = runtime
            .call(operation, |async_id| {
                wire::ffi_request::Message::Connect(wire::ConnectRequest {
                    url: url.to_owned(),
                    token: token.to_owned(),
                    options: options.into(),
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        let wire::ffi_event::Message::Connect(callback) = answer else {
            return Err(ffi::Error::Unexpected { operation }.into());
        };
        let joined = match callback.message {
            Some(wire::connect_callback::Message::Result(result)) => result,
            Some(wire::connect_callback::Message::Error(reason)) => {
                // The library may quote the address it used, which carries the token.
                return Err(Error::Connect { url: url.to_owned(), reason: reason.replace(token, "***") });
            }
            None => return Err(ffi::Error::Unexpected { operation }.into()),
        };

        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let handle = Handle::new(runtime, joined.room.handle);
        let local = Handle::new(runtime, joined.local_participant.handle);
        let state = Arc::new(RoomState::new(runtime, joined.participants, sender));
        let as_events: Arc<dyn RoomEvents> = Arc::clone(&state) as _;
        runtime.add_room(handle.id(), Arc::downgrade(&as_events));
        let room = Self {
            runtime,
            name: joined.room.info.name,
            id: handle.id(),
            local_participant: LocalParticipant::new(local, joined.local_participant.info, Arc::clone(&state)),
            handle: Mutex::new(Some(handle)),
            state,
        };
        // The library holds events back until this.
        let ready = wire::ReadyForRoomEventRequest { room_handle: room.id };
        runtime.request(operation, wire::ffi_request::Message::ReadyForRoomEvent(ready))?;
        Ok((room, events))
    }

    /// LiveKit's name of the room; see [`parse_room_name`](crate::parse_room_name).
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn local_participant(&self) -> &LocalParticipant {
        &self.local_participant
    }

    /// Everyone else who is in the room now.
    pub fn remote_participants(&self) -> HashMap<ParticipantIdentity, RemoteParticipant> {
        self.state.participants()
    }

    /// Whether we have left, or were made to.
    pub fn is_closed(&self) -> bool {
        self.state.closed().is_cancelled()
    }

    /// Leaves the room. The last event is [`RoomEvent::Disconnected`]. May be called again.
    pub async fn close(&self) {
        let handle = self.take_handle();
        let Some(handle) = handle else { return };
        let left = self.runtime.disconnect(handle);
        if tokio::time::timeout(CLOSE_TIMEOUT, left).await.is_err() {
            tracing::warn!("leaving a room was not confirmed in time");
        }
        self.forget();
    }

    fn take_handle(&self) -> Option<Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn forget(&self) {
        self.runtime.remove_room(self.id);
        self.state.leave(DisconnectReason::ClientInitiated);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(handle) = self.take_handle() {
            drop(self.runtime.disconnect(handle));
        }
        self.forget();
    }
}

impl From<RoomOptions> for wire::RoomOptions {
    fn from(options: RoomOptions) -> Self {
        Self {
            auto_subscribe: Some(options.auto_subscribe),
            adaptive_stream: Some(false),
            dynacast: Some(false),
            rtc_config: None,
            join_retries: Some(options.join_retries),
            connect_timeout_ms: u64::try_from(options.connect_timeout.as_millis()).ok(),
        }
    }
}
