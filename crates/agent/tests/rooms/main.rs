//! The agent as a process in a real room, with a real bus and a real Redis. Brain is played: it must not answer when the test
//! wants an open question. What the agent says is read in the room; a voice is there only where it is to be heard.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod control;
mod echo;
mod guest;
mod hall;
mod takeover;
