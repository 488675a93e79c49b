//! Us, in a room: what we publish and send.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ffi::wire::{self, ffi_event, ffi_request};
use crate::ffi::{self, Handle};
use crate::room_state::{RoomState, while_open};
use crate::{
    Error, LocalAudioTrack, LocalTrackPublication, ParticipantIdentity, ParticipantKind, StreamTextOptions,
    TextStreamInfo, TextStreamWriter, TrackPublishOptions, TrackSid, Transcription,
};

/// A packet for other participants. Reliable ones are repeated until they arrive; keep them below 15 kB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPacket {
    pub payload: Vec<u8>,
    pub topic: Option<String>,
    pub reliable: bool,
    /// Empty means everyone in the room.
    pub destination_identities: Vec<ParticipantIdentity>,
}

/// Ourselves in a room. Cheap to clone; every method answers with an error once the room has been left.
#[derive(Debug, Clone)]
pub struct LocalParticipant {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    handle: Handle,
    identity: ParticipantIdentity,
    sid: String,
    kind: ParticipantKind,
    room: Arc<RoomState>,
}

impl LocalParticipant {
    pub(crate) fn new(handle: Handle, info: wire::ParticipantInfo, room: Arc<RoomState>) -> Self {
        let kind = info.kind().into();
        Self { inner: Arc::new(Inner { handle, identity: info.identity.into(), sid: info.sid, kind, room }) }
    }

    pub fn identity(&self) -> &ParticipantIdentity {
        &self.inner.identity
    }

    pub fn sid(&self) -> &str {
        &self.inner.sid
    }

    pub fn kind(&self) -> ParticipantKind {
        self.inner.kind
    }

    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn publish_track(
        &self,
        track: &LocalAudioTrack,
        options: TrackPublishOptions,
    ) -> Result<LocalTrackPublication, Error> {
        let operation = "publish a track";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::PublishTrack(wire::PublishTrackRequest {
                    local_participant_handle: self.inner.handle.id(),
                    track_handle: track.handle().id(),
                    options: options.into(),
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        let ffi_event::Message::PublishTrack(callback) = answer else { return unexpected(operation) };
        match callback.message {
            Some(wire::publish_track_callback::Message::Publication(publication)) => {
                let handle = Handle::new(self.inner.handle.runtime(), publication.handle);
                let publication = LocalTrackPublication::new(handle, publication.info, track.clone());
                self.inner.room.add_local_publication(publication.clone());
                Ok(publication)
            }
            Some(wire::publish_track_callback::Message::Error(reason)) => Err(Error::Rejected { operation, reason }),
            None => unexpected(operation),
        }
    }

    /// # Errors
    /// When no such track is published.
    pub async fn unpublish_track(&self, sid: &TrackSid) -> Result<(), Error> {
        let operation = "unpublish a track";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::UnpublishTrack(wire::UnpublishTrackRequest {
                    local_participant_handle: self.inner.handle.id(),
                    track_sid: sid.to_string(),
                    stop_on_unpublish: true,
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        self.inner.room.remove_local_publication(sid);
        match answer {
            ffi_event::Message::UnpublishTrack(callback) => done(operation, callback.error),
            _ => unexpected(operation),
        }
    }

    /// Sends a text whose end is known. For text that is still being made, see [`stream_text`](Self::stream_text).
    ///
    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn send_text(&self, text: &str, options: StreamTextOptions) -> Result<TextStreamInfo, Error> {
        let operation = "send text";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::SendText(wire::StreamSendTextRequest {
                    local_participant_handle: self.inner.handle.id(),
                    options: options.into(),
                    text: text.to_owned(),
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        let ffi_event::Message::SendText(callback) = answer else { return unexpected(operation) };
        match callback.result {
            Some(wire::stream_send_text_callback::Result::Info(info)) => Ok(info.into()),
            Some(wire::stream_send_text_callback::Result::Error(error)) => {
                Err(Error::Rejected { operation, reason: error.description })
            }
            None => unexpected(operation),
        }
    }

    /// Opens a text stream to write to.
    ///
    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn stream_text(&self, options: StreamTextOptions) -> Result<TextStreamWriter, Error> {
        let operation = "open a text stream";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::TextStreamOpen(wire::TextStreamOpenRequest {
                    local_participant_handle: self.inner.handle.id(),
                    options: options.into(),
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        let ffi_event::Message::TextStreamOpen(callback) = answer else { return unexpected(operation) };
        match callback.result {
            Some(wire::text_stream_open_callback::Result::Writer(writer)) => {
                let handle = Handle::new(self.inner.handle.runtime(), writer.handle);
                Ok(TextStreamWriter::new(handle, writer.info, self.inner.room.closed().clone()))
            }
            Some(wire::text_stream_open_callback::Result::Error(error)) => {
                Err(Error::Rejected { operation, reason: error.description })
            }
            None => unexpected(operation),
        }
    }

    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn publish_data(&self, packet: DataPacket) -> Result<(), Error> {
        let operation = "publish data";
        let request = wire::PublishDataRequest {
            local_participant_handle: self.inner.handle.id(),
            reliable: packet.reliable,
            topic: packet.topic,
            destination_identities: packet.destination_identities.into_iter().map(String::from).collect(),
            ..Default::default()
        };
        let sending = self.inner.handle.runtime().publish_data(&packet.payload, request);
        done(operation, self.while_open(operation, sending).await?)
    }

    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn publish_transcription(&self, transcription: Transcription) -> Result<(), Error> {
        let operation = "publish a transcription";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::PublishTranscription(wire::PublishTranscriptionRequest {
                    local_participant_handle: self.inner.handle.id(),
                    participant_identity: transcription.participant_identity.into(),
                    track_id: transcription.track_id.into(),
                    segments: transcription.segments.into_iter().map(Into::into).collect(),
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        match answer {
            ffi_event::Message::PublishTranscription(callback) => done(operation, callback.error),
            _ => unexpected(operation),
        }
    }

    /// Sets these attributes of ours and leaves the others. An empty value deletes one.
    ///
    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn set_attributes(&self, attributes: HashMap<String, String>) -> Result<(), Error> {
        let operation = "set attributes";
        let answer = self
            .call(operation, |async_id| {
                let attributes =
                    attributes.into_iter().map(|(key, value)| wire::AttributesEntry { key, value }).collect();
                ffi_request::Message::SetLocalAttributes(wire::SetLocalAttributesRequest {
                    local_participant_handle: self.inner.handle.id(),
                    attributes,
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        match answer {
            ffi_event::Message::SetLocalAttributes(callback) => done(operation, callback.error),
            _ => unexpected(operation),
        }
    }

    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn set_metadata(&self, metadata: String) -> Result<(), Error> {
        let operation = "set metadata";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::SetLocalMetadata(wire::SetLocalMetadataRequest {
                    local_participant_handle: self.inner.handle.id(),
                    metadata,
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        match answer {
            ffi_event::Message::SetLocalMetadata(callback) => done(operation, callback.error),
            _ => unexpected(operation),
        }
    }

    /// # Errors
    /// When our token does not allow it or the room is gone.
    pub async fn set_name(&self, name: String) -> Result<(), Error> {
        let operation = "set the name";
        let answer = self
            .call(operation, |async_id| {
                ffi_request::Message::SetLocalName(wire::SetLocalNameRequest {
                    local_participant_handle: self.inner.handle.id(),
                    name,
                    request_async_id: Some(async_id),
                })
            })
            .await?;
        match answer {
            ffi_event::Message::SetLocalName(callback) => done(operation, callback.error),
            _ => unexpected(operation),
        }
    }

    async fn call(
        &self,
        operation: &'static str,
        build: impl FnOnce(u64) -> ffi_request::Message,
    ) -> Result<ffi_event::Message, Error> {
        self.while_open(operation, self.inner.handle.runtime().call(operation, build)).await
    }

    async fn while_open<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ffi::Error>>,
    ) -> Result<T, Error> {
        while_open(operation, self.inner.room.closed(), call).await
    }
}

impl From<TrackPublishOptions> for wire::TrackPublishOptions {
    fn from(options: TrackPublishOptions) -> Self {
        Self {
            audio_encoding: options.max_bitrate.map(|max_bitrate| wire::AudioEncoding { max_bitrate }),
            dtx: Some(options.dtx),
            red: Some(options.red),
            source: Some(wire::TrackSource::from(options.source).into()),
            stream: None,
            preconnect_buffer: None,
        }
    }
}

fn done(operation: &'static str, error: Option<String>) -> Result<(), Error> {
    match error {
        Some(reason) => Err(Error::Rejected { operation, reason }),
        None => Ok(()),
    }
}

fn unexpected<T>(operation: &'static str) -> Result<T, Error> {
    Err(ffi::Error::Unexpected { operation }.into())
}
