//! An answer of the library, and the handles in it.

use super::wire::{
    ReadyForRoomEventRequest, connect_callback, data_packet_received, ffi_event, ffi_request, publish_track_callback,
    room_event, text_stream_open_callback,
};
use super::{Handle, Runtime};

/// An answer on its way to whoever asked. If it never arrives there, the handles in it are given back.
#[derive(Debug)]
pub(super) struct Callback {
    runtime: &'static Runtime,
    message: Option<ffi_event::Message>,
}

impl Callback {
    pub(super) fn new(runtime: &'static Runtime, message: ffi_event::Message) -> Self {
        Self { runtime, message: Some(message) }
    }

    pub(super) fn into_message(mut self) -> Option<ffi_event::Message> {
        self.message.take()
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            release(self.runtime, message);
        }
    }
}

/// The number of the request that this answers, if it is an answer.
pub(super) fn async_id(message: &ffi_event::Message) -> Option<u64> {
    use ffi_event::Message;
    match message {
        Message::Connect(answer) => Some(answer.async_id),
        Message::Disconnect(answer) => Some(answer.async_id),
        Message::PublishTrack(answer) => Some(answer.async_id),
        Message::UnpublishTrack(answer) => Some(answer.async_id),
        Message::PublishData(answer) => Some(answer.async_id),
        Message::PublishTranscription(answer) => Some(answer.async_id),
        Message::CaptureAudioFrame(answer) => Some(answer.async_id),
        Message::SetLocalMetadata(answer) => Some(answer.async_id),
        Message::SetLocalName(answer) => Some(answer.async_id),
        Message::SetLocalAttributes(answer) => Some(answer.async_id),
        Message::TextStreamOpen(answer) => Some(answer.async_id),
        Message::TextStreamWriterWrite(answer) => Some(answer.async_id),
        Message::TextStreamWriterClose(answer) => Some(answer.async_id),
        Message::SendText(answer) => Some(answer.async_id),
        Message::RoomEvent(_)
        | Message::AudioStreamEvent(_)
        | Message::TextStreamReaderEvent(_)
        | Message::Logs(_)
        | Message::Panic(_) => None,
    }
}

/// Gives back every handle of an answer that nobody wants. A room that was joined for nobody is left again.
fn release(runtime: &'static Runtime, message: ffi_event::Message) {
    match message {
        ffi_event::Message::Connect(answer) => {
            let Some(connect_callback::Message::Result(result)) = answer.message else { return };
            drop(Handle::new(runtime, result.local_participant.handle));
            for participant in result.participants {
                drop(Handle::new(runtime, participant.participant.handle));
                for publication in participant.publications {
                    drop(Handle::new(runtime, publication.handle));
                }
            }
            let room = Handle::new(runtime, result.room.handle);
            // The library closes a room only after its events have been let through.
            let ready = ReadyForRoomEventRequest { room_handle: room.id() };
            let _ = runtime.request("leave the room", ffi_request::Message::ReadyForRoomEvent(ready));
            drop(runtime.disconnect(room));
        }
        ffi_event::Message::PublishTrack(answer) => {
            if let Some(publish_track_callback::Message::Publication(publication)) = answer.message {
                drop(Handle::new(runtime, publication.handle));
            }
        }
        ffi_event::Message::TextStreamOpen(answer) => {
            if let Some(text_stream_open_callback::Result::Writer(writer)) = answer.result {
                drop(Handle::new(runtime, writer.handle));
            }
        }
        _ => {}
    }
}

/// Gives back every handle of an event of a room that nobody is in any more.
pub(super) fn release_room_event(runtime: &'static Runtime, message: room_event::Message) {
    use room_event::Message;
    let handle = match message {
        Message::ParticipantConnected(event) => event.info.handle,
        Message::TrackPublished(event) => event.publication.handle,
        Message::TrackSubscribed(event) => event.track.handle,
        Message::ByteStreamOpened(event) => event.reader.handle,
        Message::TextStreamOpened(event) => event.reader.handle,
        Message::DataTrackPublished(event) => event.track.handle,
        Message::DataPacketReceived(event) => {
            let Some(data_packet_received::Value::User(packet)) = event.value else { return };
            packet.data.handle
        }
        _ => return,
    };
    drop(Handle::new(runtime, handle));
}
