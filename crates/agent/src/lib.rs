//! The agent: takes rooms from LiveKit and holds a conversation in each.
//!
//! [`Service`] registers as a LiveKit agent worker. A job becomes a [`visit`](visit) (lease, room, session); the conversation
//! itself is `aether-voice`, which knows LiveKit only as the [`stage`](stage) built here. The agent never talks to a language
//! model, a voice or a database: it asks brain and tts over the bus.
//!
//! Start with [`Service::run`], then `jobs.rs` for how a room is taken and `visit.rs` for the stay in it.

mod jobs;
mod service;
mod settings;
mod stage;
mod visit;

pub use service::{Error, Options, Parts, Service};
pub use settings::Settings;
