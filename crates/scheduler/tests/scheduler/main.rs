//! The scheduler with real parts: what was taken is done once, whatever dies in between.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod failure;
mod house;
mod learning;
mod life;
mod mind;
mod reminders;
mod schedules;
mod summaries;
