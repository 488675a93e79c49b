//! A person speaks into a real room and listens to what comes back. Every part is the real one; each test has a house of its
//! own, and one house stands at a time.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod house;
mod interruption;
mod loss;
mod manners;
mod memory;
mod sight;
mod turn;
mod words;
