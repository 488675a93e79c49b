//! Everything Aether knows about LiveKit: rooms and media, tokens, room administration, webhooks, and the agent worker
//! protocol.
//!
//! Rooms come from the official client library, loaded at run time as `liblivekit_ffi.so` and pinned by its hash; the types
//! here keep the names of the official Rust SDK, so that it can take the library's place without a change outside this crate.
//! Nothing here decides what an agent says or when: this crate moves audio, text and jobs.
//!
//! Start with [`Room`] for what happens inside a room, with [`Worker`] for how an agent gets into one, and with [`ffi`] for
//! how the library is spoken to. The only `unsafe` code is in `ffi/library.rs`.

mod audio_frame;
mod echo_canceller;
pub mod ffi;
mod id;
mod local_participant;
mod native_audio_source;
mod native_audio_stream;
mod remote_participant;
mod room;
mod room_admin;
mod room_event;
mod room_name;
mod room_state;
mod server_url;
mod text_stream;
pub mod token;
mod track;
mod transcription;
mod webhook;
pub mod well_known;
pub mod worker;

pub use audio_frame::AudioFrame;
pub use echo_canceller::EchoCanceller;
pub use id::{ParticipantIdentity, TrackSid};
pub use local_participant::{DataPacket, LocalParticipant};
pub use native_audio_source::NativeAudioSource;
pub use native_audio_stream::NativeAudioStream;
pub use remote_participant::{ParticipantKind, RemoteParticipant};
pub use room::{Error, Room, RoomOptions};
pub use room_admin::{AdminError, Dispatch, DispatchRequest, ParticipantSummary, RoomAdmin, RoomRequest, RoomSummary};
pub use room_event::{DataPacketKind, DisconnectReason, RoomEvent};
pub use room_name::{RoomNameError, agent_identity, parse_room_name, room_name};
pub use text_stream::{StreamTextOptions, TextStreamInfo, TextStreamReader, TextStreamWriter};
pub use token::ApiKey;
pub use track::{
    LocalAudioTrack, LocalTrackPublication, RemoteAudioTrack, RemoteTrack, RemoteTrackPublication, RemoteVideoTrack,
    TrackKind, TrackPublishOptions, TrackSource,
};
pub use transcription::{Transcription, TranscriptionSegment};
pub use webhook::{WebhookError, WebhookEvent};
pub use worker::{Worker, WorkerOptions};
