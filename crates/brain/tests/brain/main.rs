//! A whole brain on real NATS and real Postgres: `conversation` with real models, `failing_models` with doubles that fail
//! on purpose, `guesses`, `tools` and `brought_along` with a scripted one that says what is to be handled.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod brought_along;
mod conversation;
mod failing_models;
mod guesses;
mod house;
mod reminders;
mod tools;
