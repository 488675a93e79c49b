//! The thread that hands the library's events to whoever they are for. It never blocks on a receiver: a stream that is full
//! is told so, or counts what it lost.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use prost::Message as _;
use tokio::sync::mpsc::error::TrySendError;

use super::Runtime;
use super::callback::{self, Callback};
use super::library::take_frame;
use super::runtime::Waiter;
use super::wire::{
    AudioStreamEvent, FfiEvent, LogBatch, LogLevel, TextStreamReaderEvent, audio_stream_event, ffi_event, room_event,
    text_stream_reader_event,
};
use crate::text_stream::Chunk;

/// What a room does with its events. Called on the dispatcher thread, in order.
pub(crate) trait RoomEvents: Send + Sync + std::fmt::Debug {
    fn on_event(&self, event: room_event::Message);
    fn library_failed(&self);
}

pub(super) fn start(runtime: &'static Runtime, events: Receiver<Vec<u8>>) -> std::io::Result<()> {
    std::thread::Builder::new().name("livekit-events".to_owned()).spawn(move || run(runtime, &events)).map(drop)
}

fn run(runtime: &'static Runtime, events: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = events.recv() {
        match FfiEvent::decode(bytes.as_slice()) {
            Ok(FfiEvent { message: Some(message) }) => dispatch(runtime, message),
            Ok(FfiEvent { message: None }) => {}
            Err(error) => tracing::error!(%error, "the livekit library sent an event that cannot be read"),
        }
    }
}

fn dispatch(runtime: &'static Runtime, message: ffi_event::Message) {
    if let Some(async_id) = callback::async_id(&message) {
        let waiter = runtime.routes().waiters.remove(&async_id);
        let answer = Callback::new(runtime, message);
        match waiter {
            Some(Waiter::Caller(caller)) => drop(caller.send(answer)),
            Some(Waiter::Release { handle, done }) => {
                drop(handle);
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            None => drop(answer),
        }
        return;
    }
    match message {
        ffi_event::Message::RoomEvent(event) => {
            let Some(message) = event.message else { return };
            let room = runtime.routes().rooms.get(&event.room_handle).and_then(Weak::upgrade);
            match room {
                Some(room) => room.on_event(message),
                None => callback::release_room_event(runtime, message),
            }
        }
        ffi_event::Message::AudioStreamEvent(event) => audio(runtime, event),
        ffi_event::Message::TextStreamReaderEvent(event) => text(runtime, event),
        ffi_event::Message::Logs(batch) => log(&batch),
        ffi_event::Message::Panic(panic) => {
            tracing::error!(reason = panic.message, "the livekit library has panicked; this process must be restarted");
            runtime.fail();
        }
        _ => {}
    }
}

fn audio(runtime: &'static Runtime, event: AudioStreamEvent) {
    match event.message {
        Some(audio_stream_event::Message::FrameReceived(received)) => {
            // Taken in any case: the frame's memory must go back even when its stream is gone.
            let frame = take_frame(runtime, received.frame);
            if let Some(route) = runtime.routes().audio.get(&event.stream_handle) {
                // A consumer that has stopped for seconds loses the newest audio and can read how much.
                if let Err(TrySendError::Full(_)) = route.frames.try_send(frame) {
                    route.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Some(audio_stream_event::Message::Eos(_)) => runtime.remove_audio_stream(event.stream_handle),
        None => {}
    }
}

fn text(runtime: &Runtime, event: TextStreamReaderEvent) {
    let mut routes = runtime.routes();
    let Some(chunks) = routes.text.get(&event.reader_handle) else { return };
    let (chunk, last) = match event.detail {
        Some(text_stream_reader_event::Detail::ChunkReceived(received)) => (Chunk::Text(received.content), false),
        Some(text_stream_reader_event::Detail::Eos(end)) => match end.error {
            Some(error) => (Chunk::Failed(error.description), true),
            None => (Chunk::End(end.attributes), true),
        },
        None => return,
    };
    // A reader that is full misses text. Closing its queue without an end makes it say so.
    if chunks.try_send(chunk).is_err() || last {
        routes.text.remove(&event.reader_handle);
    }
}

fn log(batch: &LogBatch) {
    for record in &batch.records {
        // The address of the signalling socket carries the token.
        if record.message.contains("access_token") {
            continue;
        }
        match record.level() {
            LogLevel::LogError | LogLevel::LogWarn => {
                tracing::debug!(target: "livekit_ffi", from = record.target, "{}", record.message);
            }
            LogLevel::LogInfo | LogLevel::LogDebug | LogLevel::LogTrace => {}
        }
    }
}
