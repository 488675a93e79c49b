//! Looking for what the person said before: more than comes to mind by itself.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tracing::debug;

use super::{Outcome, Surroundings, Tool, one_text, text_of};

pub struct Recall;

impl Tool for Recall {
    fn name(&self) -> &'static str {
        "recall"
    }

    fn description(&self) -> &'static str {
        "Search what the person told you in earlier conversations."
    }

    fn parameters(&self) -> Value {
        one_text("query", "What to look for.")
    }

    fn beginnings(&self) -> &'static [&'static str] {
        &[
            "what did i tell you",
            "what have i told you",
            "what did i say about",
            "what have i said about",
            "do you remember what i",
            "can you remember what i",
            "do you know what i told you",
            "do you know what i said",
            "what do you know about my",
            "what do you remember about my",
            "what do you still know about my",
            "have i told you",
            "did i tell you",
            "did i ever tell you",
            "look up what i",
            "search your memory",
        ]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "What do you know about me?",
            "What do you remember about me?",
            "What have I told you so far?",
            "Look up what I told you.",
            "Search your memory.",
            "What did I tell you last time?",
            "What did we talk about last time?",
        ]
    }

    fn counterexamples(&self) -> &'static [&'static str] {
        &[
            "Who are you?",
            "What did you say?",
            "What do you know?",
            "What is my name?",
            "I told you so.",
            "Tell me about yourself.",
            "What can you tell me?",
            "What should I know?",
        ]
    }

    fn meanwhile(&self) -> Option<&'static str> {
        Some("Let me look.")
    }

    fn apology(&self) -> &'static str {
        "Sorry, I can't look into my memory right now."
    }

    fn arguments_for(&self, words: &str) -> Option<Value> {
        Some(json!({ "query": words }))
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome> {
        let query = text_of(arguments, "query");
        async move {
            let Some((memory, question)) = around.question(query, around.shown) else {
                return Outcome::failed("the memory is away", self.apology());
            };
            match memory.look_up(&question).await {
                Ok(found) => match found.lines(&around.opening.person_name) {
                    Some(lines) => {
                        let count = found.memories.len() + found.facts.len();
                        Outcome::found(lines, format!("found {count}"))
                    }
                    None => Outcome::found("", "found nothing"),
                },
                Err(error) => {
                    debug!(%error, "nothing could be looked up");
                    Outcome::failed("the memory is away", self.apology())
                }
            }
        }
        .boxed()
    }
}
