//! Rooms, their administration and workers on a real server, and the library's echo canceller.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends with the value that it did not expect")]

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod echo_canceller;
mod room;
mod worker;
