//! The agent as a process in a real room, with a real bus and a real Redis. Brain is played: it must not answer when the test
//! wants an open question. There is no voice, so that what the agent says is read in the room.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod control;
mod guest;
mod hall;
mod takeover;
