//! Text to speech with Piper voices.
//!
//! The way of a text: [`normalize`] turns it into words as they are spoken, each knowing which bytes of the given text
//! it stands for; [`clause`] groups them at punctuation; [`espeak`] (a supervised process) gives each clause its
//! phonemes; [`network`] turns phonemes into samples, in pieces, so that the first leave while the rest is computed.
//! [`Voice`] is the door, [`worker`] the thread behind it that walks a text through all of this.

mod clause;
mod config;
mod espeak;
mod network;
mod normalize;
mod numbers;
mod phonemes;
mod subgraph;
mod voice;
mod worker;

pub use config::Error as ConfigError;
pub use espeak::Error as EspeakError;
pub use voice::{Chunk, Error, MAX_TEXT, Options, SPEEDS, Voice};
