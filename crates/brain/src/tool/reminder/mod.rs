//! Reminders: to be set, told and taken back. What is asked for is read from the words themselves, so that a small model can't
//! garble a time.

mod cancel;
mod list;
mod set;
pub mod when;

pub use cancel::CancelReminder;
pub use list::ListReminders;
pub use set::SetReminder;

use aether_proto::PersonId;
use tracing::debug;

use super::{Outcome, Surroundings};
use crate::jobs::{Reminder, now};

/// The reminders of whoever speaks, and who that is; else what becomes of the tool.
async fn still_to_come<'a>(
    around: Surroundings<'a>,
    apology: &'static str,
) -> Result<(&'a PersonId, Vec<Reminder>), Outcome> {
    let Some(person) = &around.opening.person else {
        return Err(Outcome::failed("nobody in particular asks", "I don't know who you are."));
    };
    match around.jobs.reminders(around.opening, person).await {
        Ok(reminders) => Ok((person, reminders)),
        Err(error) => {
            debug!(%error, "reminders could not be looked up");
            Err(Outcome::failed("the database is away", apology))
        }
    }
}

/// "call mum, tomorrow at 9 AM"
fn told(reminder: &Reminder) -> String {
    format!("{}, {}", reminder.about, when::spoken(&reminder.when, &now()))
}
