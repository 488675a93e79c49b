//! Reminders: to be set, told and taken back. What is asked for is read from the words themselves, so that a small model can't
//! garble a time.

mod cancel;
mod list;
mod set;
pub mod when;

pub use cancel::CancelReminder;
pub use list::ListReminders;
pub use set::SetReminder;

use crate::jobs::{Reminder, now};

/// "call mum, tomorrow at 9 AM"
fn told(reminder: &Reminder) -> String {
    format!("{}, {}", reminder.about, when::spoken(&reminder.when, &now()))
}
