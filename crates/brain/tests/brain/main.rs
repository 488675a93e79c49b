//! A whole brain on real NATS and real Postgres: `conversation` with real models, `failing_models` with doubles that fail
//! on purpose.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod conversation;
mod failing_models;
mod house;
