//! Forgetting what the person asks to have forgotten: facts, and the turns in which they said it.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use tracing::debug;

use super::{Outcome, Surroundings, Tool, one_text, text_of};

pub struct Forget;

impl Tool for Forget {
    fn name(&self) -> &'static str {
        "forget"
    }

    fn description(&self) -> &'static str {
        "Delete what you remember about a topic."
    }

    fn parameters(&self) -> Value {
        one_text("topic", "What to forget.")
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "forget what i",
            "forget that i",
            "forget that my",
            "forget that we",
            "forget everything",
            "forget all",
            "forget my",
            "forget about my",
            "delete what you",
            "delete everything",
            "erase what you",
            "erase everything",
            "remove what you know",
            "don't remember my",
            "do not remember my",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "Forget what I told you.",
            "Please forget what I said.",
            "Forget that I said that.",
            "Delete what you know about me.",
            "Erase it from your memory.",
            "I want you to forget it.",
        ]
    }

    fn counterexamples(&self) -> &'static [&'static str] {
        &[
            "I forgot.",
            "Why do people forget things?",
            "Forget it, never mind.",
            "How do I delete a file?",
            "Don't forget.",
            "What did I forget?",
            "I can't remember.",
        ]
    }

    fn meanwhile(&self) -> Option<&'static str> {
        Some("One moment.")
    }

    fn apology(&self) -> &'static str {
        "Sorry, I could not forget that."
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let topic = text_of(arguments, "topic");
        async move {
            if around.opening.off_the_record {
                let answer = "We are off the record, so I leave my memory as it is.";
                return Outcome::failed("nothing is changed off the record", answer);
            }
            // The turn that asks for it is being written: its row must stay.
            let current = [around.opening.turn];
            let Some((memory, question)) = around.question(topic, &current) else {
                return Outcome::failed("the memory is away", self.apology());
            };
            match memory.forget(&question).await {
                Ok(gone) if gone.facts == 0 && gone.turns.is_empty() => {
                    Outcome::done("There was nothing to forget.", "nothing found", "I know nothing about that.")
                }
                Ok(gone) => {
                    let count = gone.facts + gone.turns.len() as u64;
                    let summary = format!("forgot {count}");
                    let done = Outcome::done(format!("{count} things are forgotten."), summary, "I've forgotten it.");
                    Outcome { gone: gone.turns, ..done }
                }
                Err(error) => {
                    debug!(%error, "nothing could be forgotten");
                    Outcome::failed("the memory is away", self.apology())
                }
            }
        }
        .boxed()
    }
}
