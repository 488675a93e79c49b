//! The loaded library together with everything that waits for its answers. One per process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::{mpsc, oneshot};

use super::callback::Callback;
use super::dispatcher::{self, RoomEvents};
use super::library::Library;
use super::wire::{self, OwnedBuffer, ffi_event, ffi_request, ffi_response};
use super::{Error, Handle};
use crate::AudioFrame;
use crate::text_stream::Chunk;

/// Events that may wait for the dispatcher thread. At 10 ms frames this is over a minute of one lane.
const EVENT_QUEUE: usize = 8192;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Who gets the answer to a request.
#[derive(Debug)]
pub(super) enum Waiter {
    Caller(oneshot::Sender<Callback>),
    /// Nobody; but the handle must live until the library has answered.
    Release {
        handle: Handle,
        done: Option<oneshot::Sender<()>>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) waiters: HashMap<u64, Waiter>,
    pub(super) rooms: HashMap<u64, Weak<dyn RoomEvents>>,
    pub(super) audio: HashMap<u64, AudioRoute>,
    pub(super) text: HashMap<u64, mpsc::Sender<Chunk>>,
}

#[derive(Debug)]
pub(super) struct AudioRoute {
    pub(super) frames: mpsc::Sender<AudioFrame>,
    pub(super) dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) struct Runtime {
    library: Library,
    routes: Mutex<Routes>,
    next_async_id: AtomicU64,
    panicked: AtomicBool,
}

/// Loads the library. Once per process; later calls return at once. Takes about 0.2 s to check the file's hash.
///
/// # Errors
/// When the file is missing, is not the pinned release, or can't be loaded.
pub fn init(path: &Path) -> Result<(), Error> {
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel(EVENT_QUEUE);
    let library = Library::load(path, sender)?;
    let runtime = RUNTIME.get_or_init(|| Runtime {
        library,
        routes: Mutex::default(),
        next_async_id: AtomicU64::new(1),
        panicked: AtomicBool::new(false),
    });
    dispatcher::start(runtime, receiver)
        .map_err(|source| Error::Unloadable { path: path.to_path_buf(), reason: source.to_string() })
}

pub(crate) fn runtime() -> Result<&'static Runtime, Error> {
    RUNTIME.get().ok_or(Error::NotInitialized)
}

impl Runtime {
    /// A request that is answered at once.
    pub(crate) fn request(
        &self,
        operation: &'static str,
        message: ffi_request::Message,
    ) -> Result<ffi_response::Message, Error> {
        self.check_alive()?;
        self.library.request(operation, message)?.message.ok_or(Error::Unexpected { operation })
    }

    /// A request that is answered through the callback. `build` gets the number under which the answer comes back.
    ///
    /// Dropping the future gives the request up; what it would have brought is released when it comes.
    pub(crate) async fn call(
        &'static self,
        operation: &'static str,
        build: impl FnOnce(u64) -> ffi_request::Message,
    ) -> Result<ffi_event::Message, Error> {
        self.call_with(operation, |async_id| self.library.request(operation, build(async_id)).map(drop)).await
    }

    pub(crate) async fn capture(&'static self, source: &Handle, frame: &AudioFrame) -> Result<Option<String>, Error> {
        let operation = "capture audio";
        let answer = self.call_with(operation, |async_id| self.library.capture(source.id(), frame, async_id)).await?;
        match answer {
            ffi_event::Message::CaptureAudioFrame(callback) => Ok(callback.error),
            _ => Err(Error::Unexpected { operation }),
        }
    }

    /// `samples` must be 10 ms of this format. Answers with the library's reason where it did not process them.
    pub(crate) fn process_stream(
        &self,
        apm: &Handle,
        samples: &mut [i16],
        sample_rate: u32,
        num_channels: u32,
    ) -> Result<Option<String>, Error> {
        self.check_alive()?;
        match self.library.process_stream(apm.id(), samples, sample_rate, num_channels)?.message {
            Some(ffi_response::Message::ApmProcessStream(answer)) => Ok(answer.error),
            _ => Err(Error::Unexpected { operation: "cancel echo" }),
        }
    }

    /// The same for what is played.
    pub(crate) fn process_reverse_stream(
        &self,
        apm: &Handle,
        samples: &mut [i16],
        sample_rate: u32,
        num_channels: u32,
    ) -> Result<Option<String>, Error> {
        self.check_alive()?;
        match self.library.process_reverse_stream(apm.id(), samples, sample_rate, num_channels)?.message {
            Some(ffi_response::Message::ApmProcessReverseStream(answer)) => Ok(answer.error),
            _ => Err(Error::Unexpected { operation: "cancel echo" }),
        }
    }

    pub(crate) async fn publish_data(
        &'static self,
        payload: &[u8],
        request: wire::PublishDataRequest,
    ) -> Result<Option<String>, Error> {
        let operation = "publish data";
        let answer = self
            .call_with(operation, |async_id| {
                let request = wire::PublishDataRequest { request_async_id: Some(async_id), ..request };
                self.library.publish_data(payload, request)
            })
            .await?;
        match answer {
            ffi_event::Message::PublishData(callback) => Ok(callback.error),
            _ => Err(Error::Unexpected { operation }),
        }
    }

    /// Leaves a room and holds its handle until the library has answered. The receiver resolves then; nobody needs to wait.
    pub(crate) fn disconnect(&'static self, room: Handle) -> oneshot::Receiver<()> {
        let (done, finished) = oneshot::channel();
        let async_id = self.next_async_id.fetch_add(1, Ordering::Relaxed);
        let request = wire::DisconnectRequest {
            room_handle: room.id(),
            request_async_id: Some(async_id),
            reason: Some(wire::DisconnectReason::ClientInitiated.into()),
        };
        self.routes().waiters.insert(async_id, Waiter::Release { handle: room, done: Some(done) });
        if let Err(error) = self.request("leave the room", ffi_request::Message::Disconnect(request)) {
            tracing::debug!(%error, "leaving a room failed");
            let waiter = self.routes().waiters.remove(&async_id);
            drop(waiter);
        }
        finished
    }

    pub(crate) fn add_room(&self, room: u64, events: Weak<dyn RoomEvents>) {
        self.routes().rooms.insert(room, events);
    }

    pub(crate) fn remove_room(&self, room: u64) {
        self.routes().rooms.remove(&room);
    }

    pub(crate) fn add_audio_stream(&self, stream: u64, frames: mpsc::Sender<AudioFrame>, dropped: Arc<AtomicU64>) {
        self.routes().audio.insert(stream, AudioRoute { frames, dropped });
    }

    pub(crate) fn remove_audio_stream(&self, stream: u64) {
        self.routes().audio.remove(&stream);
    }

    pub(crate) fn add_text_reader(&self, reader: u64, chunks: mpsc::Sender<Chunk>) {
        self.routes().text.insert(reader, chunks);
    }

    pub(crate) fn remove_text_reader(&self, reader: u64) {
        self.routes().text.remove(&reader);
    }

    pub(crate) fn take_bytes(&'static self, buffer: OwnedBuffer) -> Vec<u8> {
        super::library::take_bytes(self, buffer)
    }

    pub(super) fn drop_handle(&self, handle: u64) -> bool {
        self.library.drop_handle(handle)
    }

    pub(super) fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The library is unusable from now on: whoever waits learns it.
    pub(super) fn fail(&self) {
        self.panicked.store(true, Ordering::Release);
        let routes = std::mem::take(&mut *self.routes());
        for room in routes.rooms.values().filter_map(Weak::upgrade) {
            room.library_failed();
        }
    }

    fn check_alive(&self) -> Result<(), Error> {
        if self.panicked.load(Ordering::Acquire) { Err(Error::Panicked) } else { Ok(()) }
    }

    async fn call_with(
        &'static self,
        operation: &'static str,
        request: impl FnOnce(u64) -> Result<(), Error>,
    ) -> Result<ffi_event::Message, Error> {
        self.check_alive()?;
        let async_id = self.next_async_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.routes().waiters.insert(async_id, Waiter::Caller(sender));
        let _forget_when_dropped = Registration { runtime: self, async_id };
        request(async_id)?;
        let callback = receiver.await.map_err(|_| Error::Unanswered { operation })?;
        callback.into_message().ok_or(Error::Unexpected { operation })
    }
}

struct Registration {
    runtime: &'static Runtime,
    async_id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let waiter = self.runtime.routes().waiters.remove(&self.async_id);
        drop(waiter);
    }
}
