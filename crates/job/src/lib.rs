//! The life of one background job as a pure state machine, and the judgements that a scheduler needs. No clock, no chance, no
//! I/O: time and random numbers are given.
//!
//! [`Job`] is the machine: what happened goes in, the states that the job went through come out. All of them are written down
//! in one transaction, and only then is anybody told; so that whatever is killed, the job is in one of its states and something
//! leads out of it.
//!
//! Beside it stand four answers: how long a job that failed waits ([`retry`]), how soon one should begin ([`priority`]), whose
//! is next ([`fairness`]), and what becomes of runs whose time passed while nothing ran ([`missed`]).
//!
//! Every worker's report names its [`Attempt`], a number that rises whenever the job is given to somebody. A report of another
//! attempt is refused: a worker that was given up and comes back changes nothing.
//!
//! Start with [`machine`]. `tests/exploration` tries every order of events. The shell is the scheduler; the truth is a row in
//! Postgres.

pub mod event;
pub mod fairness;
pub mod machine;
pub mod missed;
mod name;
pub mod priority;
pub mod retry;
pub mod state;

pub use event::{Attempt, Event, Failure, Report};
pub use machine::{Impossible, Job, Refused};
pub use missed::Missed;
pub use name::UnknownName;
pub use priority::Priority;
pub use retry::Limits;
pub use state::State;
