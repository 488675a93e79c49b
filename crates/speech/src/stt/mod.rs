//! Speech to text with Whisper.
//!
//! [`Transcriber`] takes clips from many lanes and decodes them on a fixed number of threads, each with a [`Decoder`] of its
//! own: Whisper's states over one shared model. Which clip is next is [`queue`]'s decision, how one is decoded is
//! [`decoder`]'s, and whether the result is to be believed is [`Transcript::is_speech`]'s.

mod card;
mod decoder;
mod queue;
mod transcriber;
mod transcript;

pub use queue::Priority;
pub use transcriber::{Decoder, Error, MAX_CLIP, Options, Request, Transcriber};
pub use transcript::{Segment, Transcript};
