//! The agent: takes rooms from LiveKit and holds a conversation in each.
//!
//! [`Service`] registers as a LiveKit agent worker. A job (`jobs.rs`) becomes a visit (`visit.rs`: room and session) to the
//! people there (`people.rs`); the conversation itself is `aether-voice`, which knows LiveKit only as the stage built in
//! `stage.rs`. Its own voice, coming back through their loudspeakers, is known from theirs (`likeness.rs`) and, on request,
//! taken out of their microphones (`echo.rs`). What others may ask of the agent in a room is in `control.rs`. A room whose
//! agent was lost is taken over (`lease.rs`) and its session goes on; finding such rooms is not the agent's business. The
//! agent never talks to a language model, a voice or a database: it asks brain and tts over the bus.
//!
//! Start with [`Service::run`], then `jobs.rs` for how a room is taken and `visit.rs` for the stay in it.

mod control;
mod ears;
mod echo;
mod far_end;
mod greeting;
mod jobs;
mod lease;
mod likeness;
mod options;
mod pace;
mod people;
mod service;
mod settings;
mod stage;
mod summons;
mod visit;

pub use options::{EarsOptions, Options};
pub use service::{Error, Parts, Service};
pub use settings::Settings;
