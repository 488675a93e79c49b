//! The mouth: text in, speech out.
//!
//! One Piper voice, offered twice: on the bus as the call `tts.request` ([`Service`] registers it), and over HTTP as
//! `POST /tts/stream`. Both go through one synthesiser, so they share its limits and its admission, and both hand
//! out PCM while it is being made.
//!
//! This crate knows nothing of rooms, turns or what a text means; it never resamples (the listener does, once) and never
//! splits a text (the voice path sends clauses). How a voice works is `aether-speech`'s business.
//!
//! Read [`request`] for what is accepted, `synthesiser.rs` for what happens to it, `bus_call.rs` and `http.rs` for the two
//! doors, `service.rs` for how it starts, waits for its parts and stops.

mod bus_call;
mod http;
mod options;
pub mod request;
mod service;
mod settings;
mod synthesiser;
mod voice_part;
mod wanted;

pub use options::Options;
pub use service::{Error, Parts, Service};
pub use settings::Settings;
