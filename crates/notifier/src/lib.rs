//! Speaking up at the right time: what happens elsewhere, and whether, when and where a person is told.
//!
//! An event comes durably on `notify.events.<tenant>.<source>` (`event.rs` reads it, `intake.rs` keeps it) and is answered for
//! only once it is a row. What rules can decide is decided at once (`decision.rs`, pure); what they can't is judged by the
//! language model (`judgement.rs`), within a second or by default. Time is not kept here: when a notification is to be
//! judged, delivered, or told in a digest, the scheduler has a job that says so on `notify.work`; with it come retries and
//! the promise that nothing is lost. `delivery.rs` tells one person in all the places they can be told, each once;
//! `digest.rs` makes one notification of many. `control.rs` takes a person's wishes and `learning.rs` what their feedback
//! teaches.
//!
//! What stands in an event is material from outside. It is shown and spoken as it is, and to the model it is quoted, never
//! said.

mod channel;
mod control;
mod decision;
mod delivery;
mod desk;
mod digest;
mod event;
mod intake;
mod judgement;
mod learning;
mod options;
mod quiet;
mod service;
mod settings;

pub use channel::{Channels, ChannelsError};
pub use options::Options;
pub use service::{Error, Parts, Service};
pub use settings::Settings;
