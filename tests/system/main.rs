//! A person speaks into a real room and listens to what comes back; a program asks over HTTP. Every part is the real one; each
//! test has a house of its own, and one house stands at a time.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod caller;
mod clients;
mod company;
mod control;
mod crowd;
mod house;
mod interruption;
mod loss;
mod manners;
mod measures;
mod memory;
mod page;
mod paste;
mod record;
mod reminders;
mod sight;
mod succession;
mod text;
mod tools;
mod traces;
mod turn;
mod words;
