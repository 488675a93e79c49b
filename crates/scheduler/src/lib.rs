//! The kernel: what is done beside conversations, once, and at its time.
//!
//! [`Service`] takes jobs on `jobs.submit` and wishes about them on `jobs.control`. A job that was taken is a row in Postgres,
//! and only that is true; NATS brings it here, wakes workers and tells who listens what became of it. Two pools work side by
//! side: what somebody waits for, and what nobody does. A worker holds a job under a lease and an attempt's number: when its
//! process dies another takes the job up, and a report under an old number is not listened to.
//!
//! What may follow on what, how long is waited between two tries and whose turn it is, is decided in `aether-job`. Here:
//! `submission.rs` reads what is asked for, `clerk.rs` writes, many changes in one transaction; `pool.rs` hands out work and
//! `worker.rs` does it; `clock.rs` sees to what time brings: lost workers, next tries, deadlines, schedules
//! (`recurrence.rs`); `control.rs` cancels and replays. What a job does is one file in [`kind`].
//!
//! This crate answers nobody in a conversation: replies go straight to brain.

mod clerk;
mod clock;
mod control;
mod kernel;
pub mod kind;
mod options;
mod pool;
mod recurrence;
mod service;
mod settings;
mod submission;
mod worker;

pub use options::Options;
pub use service::{Error, Parts, Service};
pub use settings::Settings;
