//! "Remind me at seven to call mum."

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tracing::debug;

use super::super::{Outcome, Surroundings, Tool, one_text, text_of};
use super::when;
use crate::jobs::now;

pub struct SetReminder;

impl Tool for SetReminder {
    fn name(&self) -> &'static str {
        "set_reminder"
    }

    fn description(&self) -> &'static str {
        "Remind the person of something at a time, once or again and again."
    }

    fn parameters(&self) -> Value {
        one_text("wish", "What the person asked for, in their own words, such as: remind me at seven to call mum.")
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "remind me",
            "set a reminder",
            "set me a reminder",
            "set up a reminder",
            "make a reminder",
            "create a reminder",
            "add a reminder",
            "give me a reminder",
            "don't let me forget",
            "do not let me forget",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &["Remind me.", "Set a reminder.", "I need a reminder.", "Give me a reminder."]
    }

    fn counterexamples(&self) -> &'static [&'static str] {
        &["That reminds me of something.", "You remind me of my brother.", "What is a reminder?"]
    }

    fn apology(&self) -> &'static str {
        "Sorry, I can't set reminders right now."
    }

    fn arguments_for(&self, words: &str) -> Option<Value> {
        Some(json!({ "wish": words }))
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let wish = text_of(arguments, "wish");
        async move {
            let opening = around.opening;
            if opening.off_the_record {
                return Outcome::failed(
                    "nothing is kept off the record",
                    "We are off the record, so I keep no reminders.",
                );
            }
            let Some(person) = &opening.person else {
                return Outcome::failed(
                    "nobody in particular asks",
                    "I don't know who you are, so I can't remind you.",
                );
            };
            let now = now();
            let when::Wish { about, when } = match when::read(wish, &now) {
                Ok(wish) => wish,
                Err(unclear) => return Outcome::failed("the wish says too little", unclear.question()),
            };
            match around.jobs.remind(opening, person, &about, &when).await {
                Ok(()) => {
                    let at = when::spoken(&when, &now);
                    Outcome::done(
                        "The reminder is set.",
                        format!("{about}, {at}"),
                        format!("All right, I'll remind you {at}."),
                    )
                }
                Err(error) => {
                    debug!(%error, "a reminder could not be set");
                    Outcome::failed("the scheduler is away", self.apology())
                }
            }
        }
        .boxed()
    }
}
