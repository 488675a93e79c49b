//! The service on real parts: NATS, the voice, espeak-ng and sockets.

#![expect(clippy::unwrap_used, reason = "a test whose parts can't be had must fail with the reason")]

mod bus;
mod http;
mod mouth;
mod process;
