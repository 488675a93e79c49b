//! Transcription packets: what older clients show as captions. Newer ones read the text stream `lk.transcription`.

use crate::ffi::wire;
use crate::{ParticipantIdentity, TrackSid};

/// Segments of what one participant said on one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcription {
    pub participant_identity: ParticipantIdentity,
    pub track_id: TrackSid,
    pub segments: Vec<TranscriptionSegment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TranscriptionSegment {
    pub id: String,
    pub text: String,
    /// In milliseconds, as the participant who speaks counts them; zero when unknown.
    pub start_time: u64,
    pub end_time: u64,
    pub r#final: bool,
    /// A BCP 47 tag.
    pub language: String,
}

impl From<TranscriptionSegment> for wire::TranscriptionSegment {
    fn from(segment: TranscriptionSegment) -> Self {
        Self {
            id: segment.id,
            text: segment.text,
            start_time: segment.start_time,
            end_time: segment.end_time,
            r#final: segment.r#final,
            language: segment.language,
        }
    }
}

impl From<wire::TranscriptionSegment> for TranscriptionSegment {
    fn from(segment: wire::TranscriptionSegment) -> Self {
        Self {
            id: segment.id,
            text: segment.text,
            start_time: segment.start_time,
            end_time: segment.end_time,
            r#final: segment.r#final,
            language: segment.language,
        }
    }
}
