//! What happens in a room, in the order in which it happens.

use std::collections::HashMap;

use bytes::Bytes;

use crate::ffi::wire;
use crate::{
    ParticipantIdentity, RemoteParticipant, RemoteTrack, RemoteTrackPublication, TextStreamReader, TrackSid,
    TranscriptionSegment,
};

#[derive(Debug)]
#[non_exhaustive]
pub enum RoomEvent {
    /// Somebody joined. Who was there before us is in [`Room::remote_participants`](crate::Room::remote_participants).
    ParticipantConnected(RemoteParticipant),
    ParticipantDisconnected(RemoteParticipant),
    TrackPublished {
        publication: RemoteTrackPublication,
        participant: RemoteParticipant,
    },
    TrackUnpublished {
        publication: RemoteTrackPublication,
        participant: RemoteParticipant,
    },
    TrackSubscribed {
        track: RemoteTrack,
        publication: RemoteTrackPublication,
        participant: RemoteParticipant,
    },
    TrackUnsubscribed {
        publication: RemoteTrackPublication,
        participant: RemoteParticipant,
    },
    TrackSubscriptionFailed {
        participant: RemoteParticipant,
        track_sid: TrackSid,
        error: String,
    },
    TrackMuted {
        participant_identity: ParticipantIdentity,
        track_sid: TrackSid,
    },
    TrackUnmuted {
        participant_identity: ParticipantIdentity,
        track_sid: TrackSid,
    },
    /// Also told about ourselves.
    ParticipantAttributesChanged {
        participant_identity: ParticipantIdentity,
        changed_attributes: HashMap<String, String>,
    },
    ParticipantMetadataChanged {
        participant_identity: ParticipantIdentity,
        metadata: String,
    },
    ParticipantNameChanged {
        participant_identity: ParticipantIdentity,
        name: String,
    },
    DataReceived {
        payload: Bytes,
        topic: Option<String>,
        kind: DataPacketKind,
        /// `None` when the server itself sent it.
        participant_identity: Option<ParticipantIdentity>,
    },
    TextStreamOpened {
        reader: TextStreamReader,
        topic: String,
        participant_identity: ParticipantIdentity,
    },
    TranscriptionReceived {
        participant_identity: Option<ParticipantIdentity>,
        track_sid: Option<TrackSid>,
        segments: Vec<TranscriptionSegment>,
    },
    /// The connection is lost and the library tries to mend it.
    Reconnecting,
    Reconnected,
    /// The last event of a room.
    Disconnected {
        reason: DisconnectReason,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataPacketKind {
    Lossy,
    Reliable,
}

/// Why a participant is no longer in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    UnknownReason,
    ClientInitiated,
    /// Someone joined with the same identity.
    DuplicateIdentity,
    ServerShutdown,
    ParticipantRemoved,
    RoomDeleted,
    StateMismatch,
    JoinFailure,
    Migration,
    SignalClose,
    RoomClosed,
    UserUnavailable,
    UserRejected,
    SipTrunkFailure,
    ConnectionTimeout,
    MediaFailure,
    AgentError,
    /// Ours, not the server's: events were not taken out of the receiver until it was full, and the room was left rather
    /// than events lost.
    EventsNotTaken,
    /// Ours, not the server's: the library has failed.
    LibraryFailed,
}

impl From<wire::DisconnectReason> for DisconnectReason {
    fn from(reason: wire::DisconnectReason) -> Self {
        match reason {
            wire::DisconnectReason::UnknownReason => Self::UnknownReason,
            wire::DisconnectReason::ClientInitiated => Self::ClientInitiated,
            wire::DisconnectReason::DuplicateIdentity => Self::DuplicateIdentity,
            wire::DisconnectReason::ServerShutdown => Self::ServerShutdown,
            wire::DisconnectReason::ParticipantRemoved => Self::ParticipantRemoved,
            wire::DisconnectReason::RoomDeleted => Self::RoomDeleted,
            wire::DisconnectReason::StateMismatch => Self::StateMismatch,
            wire::DisconnectReason::JoinFailure => Self::JoinFailure,
            wire::DisconnectReason::Migration => Self::Migration,
            wire::DisconnectReason::SignalClose => Self::SignalClose,
            wire::DisconnectReason::RoomClosed => Self::RoomClosed,
            wire::DisconnectReason::UserUnavailable => Self::UserUnavailable,
            wire::DisconnectReason::UserRejected => Self::UserRejected,
            wire::DisconnectReason::SipTrunkFailure => Self::SipTrunkFailure,
            wire::DisconnectReason::ConnectionTimeout => Self::ConnectionTimeout,
            wire::DisconnectReason::MediaFailure => Self::MediaFailure,
            wire::DisconnectReason::AgentError => Self::AgentError,
        }
    }
}
