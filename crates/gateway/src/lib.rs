//! The front door: the page, the OpenAI-compatible API, the rooms' tokens, and what happens as it happens.
//!
//! [`Service`] is an HTTP server and two tasks beside it. The server's routes stand in one table (`route.rs`), each with what
//! a caller must be allowed (`access.rs` finds out who calls). A typed turn (`chat/`) is one `brain.request` call, written to
//! the turn log as it happens; a spoken one happens in a room, to which `rooms.rs` hands out tokens. `hub.rs` listens to what
//! happens in all rooms and typed conversations and `socket.rs` passes it on to whom it concerns. `reconciler.rs` sees to it
//! that every room with a person has an agent.
//!
//! The gateway never thinks, never hears and never speaks: it asks brain over the bus, and the agent in the room. It reads
//! what was said and writes who may come in, and nothing else. Start with `route.rs`.

mod access;
mod app;
mod chat;
mod events;
mod fields;
mod health;
mod hub;
mod key_ring;
mod keys;
mod latency;
mod me;
mod models;
mod notifications;
mod options;
mod page;
mod page_tokens;
mod people;
mod problem;
mod reconciler;
mod rooms;
mod route;
mod service;
mod sessions;
mod settings;
mod socket;
mod tasks;
mod trace;
mod webhook;

pub use access::Access;
pub use options::Options;
pub use route::{Route, routes};
pub use service::{Error, Parts, Service};
pub use settings::Settings;
