//! Keeping what the person asks to have kept.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use tracing::debug;

use super::{Outcome, Surroundings, Tool, one_text, text_of};

pub struct Remember;

impl Tool for Remember {
    fn name(&self) -> &'static str {
        "remember"
    }

    fn description(&self) -> &'static str {
        "Keep a fact about the person for ever."
    }

    fn parameters(&self) -> Value {
        one_text("fact", "The fact, as a short sentence.")
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "remember that i",
            "remember that my",
            "remember that the",
            "remember that we",
            "remember that our",
            "remember i",
            "remember my",
            "remember the following",
            "remember this",
            "keep in mind",
            "bear in mind",
            "make a note",
            "take a note",
            "note that",
            "note down",
            "don't forget that",
            "don't forget my",
            "do not forget that",
            "never forget that",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "Remember that.",
            "Please remember this.",
            "Keep that in mind.",
            "Make a note of that.",
            "I want you to remember this.",
        ]
    }

    fn counterexamples(&self) -> &'static [&'static str] {
        &[
            "I remember that.",
            "Do you remember that?",
            "Can you remember things?",
            "How can I remember things better?",
            "I can't remember.",
            "Do you have a good memory?",
            "I forgot.",
        ]
    }

    fn apology(&self) -> &'static str {
        "Sorry, I could not note that."
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let fact = text_of(arguments, "fact");
        async move {
            if around.opening.off_the_record {
                return Outcome::failed("nothing is kept off the record", "We are off the record, so I keep nothing.");
            }
            if fact.is_empty() {
                return Outcome::failed("there is nothing to keep", self.apology());
            }
            let Some((memory, question)) = around.question(fact, &[]) else {
                return Outcome::failed("the memory is away", self.apology());
            };
            match memory.keep(&question, around.opening.turn).await {
                Ok(true) => Outcome::done("It is kept.", "kept", "All right, I'll remember that."),
                Ok(false) => Outcome::done("It was kept before.", "known already", "Yes, I have that in mind."),
                Err(error) => {
                    debug!(%error, "a fact could not be kept");
                    Outcome::failed("the memory is away", self.apology())
                }
            }
        }
        .boxed()
    }
}
