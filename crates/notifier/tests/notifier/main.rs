//! The notifier with real parts and a real scheduler: people are told what they want to know, once, whatever dies meanwhile.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod deciding;
mod failure;
mod house;
mod played;
mod telling;
mod wishes;
