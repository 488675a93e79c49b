//! What the simulated person says, and when. [`Script`] is what `tests/dialogues/dialogues.toml` may say; [`Studio`] makes
//! sound of it: clips of recorded people, espeak-ng's and Piper's voices ([`voices`]) and noises that come out of a seed
//! ([`sound`]), with pauses at known places. The same seed makes the same sound, but for Piper, which has moods.
//!
//! Nothing here knows a room or a clock.

mod script;
mod sound;
mod studio;
mod voices;

pub(super) use script::{Background, Dialogue, Hiss, Kind, Noise, Overlap, Part, Question, Script};
pub(super) use studio::{Studio, Take, transcripts};
pub(super) use voices::Voices;
