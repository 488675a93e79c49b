//! "What are my reminders?"

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::super::{Outcome, Surroundings, Tool};
use super::{still_to_come, told};

/// More are too many to listen to.
const MOST_TOLD: usize = 5;

pub struct ListReminders;

impl Tool for ListReminders {
    fn name(&self) -> &'static str {
        "list_reminders"
    }

    fn description(&self) -> &'static str {
        "The person's reminders that are still to come."
    }

    fn parameters(&self) -> Value {
        json!({ "type": "object", "properties": {} })
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "what are my reminders",
            "what reminders",
            "which reminders",
            "list my reminders",
            "list the reminders",
            "list all reminders",
            "list all my reminders",
            "tell me my reminders",
            "read my reminders",
            "show my reminders",
            "show me my reminders",
            "do i have any reminders",
            "do i have a reminder",
            "how many reminders",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &["What are my reminders?", "List my reminders.", "Do I have any reminders?", "Which reminders are set?"]
    }

    fn apology(&self) -> &'static str {
        "Sorry, I can't look up your reminders right now."
    }

    fn arguments_for(&self, _words: &str) -> Option<Value> {
        Some(json!({}))
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, _arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        async move {
            let reminders = match still_to_come(around, self.apology()).await {
                Ok((_, reminders)) => reminders,
                Err(outcome) => return outcome,
            };
            let all: Vec<_> = reminders.iter().map(told).collect();
            let answer = match all.as_slice() {
                [] => "You have no reminders.".to_owned(),
                [one] => format!("You have one reminder: {one}."),
                all if all.len() > MOST_TOLD => {
                    format!("You have {} reminders. The next ones are: {}.", all.len(), all[..MOST_TOLD].join("; "))
                }
                all => format!("You have {} reminders: {}.", all.len(), all.join("; ")),
            };
            Outcome::done(answer.clone(), format!("{} found", all.len()), answer)
        }
        .boxed()
    }
}
