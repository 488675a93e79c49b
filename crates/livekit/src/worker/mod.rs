//! The agent worker: how LiveKit calls an agent into a room.
//!
//! A worker keeps one socket to the server, registers, and says how busy it is. For each job the server asks whether the
//! worker is available; whoever uses the worker decides. An accepted job is assigned with a token to join as kind `AGENT`, and
//! runs as a task of its own. The socket is made again for ever; jobs don't depend on it. On shutdown the worker takes no more
//! jobs and waits for those it has.
//!
//! `slots.rs` is the pure count of what is reserved and running; `running.rs` is the shell around it.

mod job;
mod running;
mod slots;
mod socket;
#[expect(clippy::module_inception, reason = "the folder is the protocol, the file its main type")]
mod worker;

pub use job::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
pub use worker::{Error, Worker, WorkerOptions, WorkerState};
