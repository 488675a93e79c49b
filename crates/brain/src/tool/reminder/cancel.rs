//! "Cancel the reminder about mum."

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tracing::debug;

use super::super::{Outcome, Surroundings, Tool, one_text, text_of};
use super::{still_to_come, told};
use crate::jobs::Reminder;

/// Words that say nothing about which reminder is meant.
const EMPTY_WORDS: &str = "cancel|delete|remove|drop|stop|the|my|a|an|reminder|reminders|about|for|to|of|that|please|can|you|me|\
                           and|it|is|in|on|at|i|want|don't|need|with";
const ALL: [&str; 3] = ["all", "every", "everything"];

pub struct CancelReminder;

impl Tool for CancelReminder {
    fn name(&self) -> &'static str {
        "cancel_reminder"
    }

    fn description(&self) -> &'static str {
        "Take back a reminder that is still to come."
    }

    fn parameters(&self) -> Value {
        one_text("wish", "Which reminder, in the person's own words; or: all.")
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "cancel the reminder",
            "cancel my reminder",
            "cancel that reminder",
            "cancel all reminders",
            "cancel all my reminders",
            "cancel reminder",
            "delete the reminder",
            "delete my reminder",
            "delete all reminders",
            "delete all my reminders",
            "remove the reminder",
            "remove my reminder",
            "remove all my reminders",
            "stop reminding me",
            "don't remind me",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &["Cancel the reminder.", "Delete my reminder.", "Cancel all my reminders.", "Don't remind me any more."]
    }

    fn apology(&self) -> &'static str {
        "Sorry, I can't cancel reminders right now."
    }

    fn arguments_for(&self, words: &str) -> Option<Value> {
        Some(json!({ "wish": words }))
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let wish = text_of(arguments, "wish");
        async move {
            let (person, reminders) = match still_to_come(around, self.apology()).await {
                Ok(found) => found,
                Err(outcome) => return outcome,
            };
            let meant = match meant(wish, &reminders) {
                Meant::These(reminders) => reminders,
                Meant::None if reminders.is_empty() => {
                    return Outcome::failed("there is none", "You have no reminders.");
                }
                Meant::None => return Outcome::failed("there is no such reminder", "I find no such reminder."),
                Meant::Unclear => {
                    let all: Vec<_> = reminders.iter().map(told).collect();
                    let question = format!("Which one should I cancel? You have {}.", all.join("; "));
                    return Outcome::failed("which one is not clear", question);
                }
            };
            for reminder in &meant {
                if let Err(error) = around.jobs.cancel(around.opening, person, reminder).await {
                    debug!(%error, "a reminder could not be cancelled");
                    return Outcome::failed("the scheduler is away", self.apology());
                }
            }
            match meant.as_slice() {
                [one] => Outcome::done(
                    "It is cancelled.",
                    told(one),
                    format!("I won't remind you of that any more: {}.", one.about),
                ),
                all => Outcome::done(
                    "They are cancelled.",
                    format!("{} cancelled", all.len()),
                    "All your reminders are cancelled.",
                ),
            }
        }
        .boxed()
    }
}

#[derive(Debug, PartialEq)]
enum Meant<'a> {
    These(Vec<&'a Reminder>),
    None,
    Unclear,
}

/// Which reminders somebody speaks of: all, the only one, or the one that shares most of their words.
fn meant<'a>(wish: &str, reminders: &'a [Reminder]) -> Meant<'a> {
    let words = content(wish);
    if words.iter().any(|word| ALL.contains(&word.as_str())) && !reminders.is_empty() {
        return Meant::These(reminders.iter().collect());
    }
    let shared = |reminder: &Reminder| content(&told(reminder)).iter().filter(|word| words.contains(word)).count();
    let most = reminders.iter().map(shared).max().unwrap_or_default();
    let nearest: Vec<_> = reminders.iter().filter(|reminder| shared(reminder) == most).collect();
    match nearest.as_slice() {
        [] => Meant::None,
        [_] if most > 0 || words.is_empty() => Meant::These(nearest),
        _ if words.is_empty() || most > 0 => Meant::Unclear,
        _ => Meant::None,
    }
}

fn content(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('’', "'");
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '\'');
    words
        .filter(|word| !word.is_empty() && !EMPTY_WORDS.split('|').any(|empty| empty == *word))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::reminder::when::When;

    #[test]
    fn the_reminder_that_is_meant_is_found() {
        let reminder = |about: &str, cron: &str| Reminder {
            id: about.to_owned(),
            about: about.to_owned(),
            when: When::Repeatedly(cron.to_owned()),
        };
        let three = [
            reminder("call mum", "0 9 * * 1"),
            reminder("water the plants", "0 9 * * 5"),
            reminder("call Ben", "0 8 * * *"),
        ];
        let found = |wish, all| match meant(wish, all) {
            Meant::These(meant) => meant.iter().map(|reminder| reminder.about.as_str()).collect::<Vec<_>>().join(", "),
            Meant::None => "none".to_owned(),
            Meant::Unclear => "unclear".to_owned(),
        };
        for (wish, expected) in [
            ("Cancel the reminder about mum.", "call mum"),
            ("Delete my reminder to water the plants, please.", "water the plants"),
            ("Cancel the reminder on Friday.", "water the plants"),
            ("Cancel the reminder to call.", "unclear"),
            ("Cancel my reminder.", "unclear"),
            ("Cancel all my reminders.", "call mum, water the plants, call Ben"),
            ("Cancel the reminder about the dentist.", "none"),
        ] {
            assert_eq!(found(wish, &three), expected, "{wish}");
        }
        assert_eq!(found("Cancel the reminder.", &three[..1]), "call mum");
        assert_eq!(found("Cancel the reminder about the dentist.", &three[..1]), "none", "the only one, and not meant");
        assert_eq!(found("Cancel all my reminders.", &[]), "none");
    }
}
