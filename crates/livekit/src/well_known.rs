//! Topics and attributes that clients look for, LiveKit's own and ours.

/// Text streams of people who write to the agent.
pub const CHAT_TOPIC: &str = "lk.chat";
/// Text streams of captions.
pub const TRANSCRIPTION_TOPIC: &str = "lk.transcription";
/// Attributes of a caption: which segment it belongs to, whose track it is about, and whether it may still change.
pub const SEGMENT_ID_ATTRIBUTE: &str = "lk.segment_id";
pub const TRANSCRIBED_TRACK_ATTRIBUTE: &str = "lk.transcribed_track_id";
pub const TRANSCRIPTION_FINAL_ATTRIBUTE: &str = "lk.transcription_final";
/// What the agent is doing: `initializing`, `listening`, `thinking` or `speaking`.
pub const AGENT_STATE_ATTRIBUTE: &str = "lk.agent.state";
/// Data packets: `aether.v1.ClientEvent` as canonical JSON, for clients that show more than captions.
pub const EVENTS_TOPIC: &str = "aether.events";
/// Attribute that says who a participant is to the agent, in whatever room and under whatever identity. It is in the signed
/// token, and people may not change their attributes.
pub const PERSON_ATTRIBUTE: &str = "aether.person";
