//! Finds what a person has said of themselves in one turn. The language model looks; brain judges by the person's own words what
//! of it holds, and keeps that.
//!
//! The model is shown nothing but these words: what an assistant or a tool has said in the turn can't order anything here.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aether_job::{Limits, Priority};
use aether_proto::{Fact, FactsKeep, FactsKept, PersonId, TurnId, subject};
use aether_store::JobRow;
use aether_telemetry::with_causes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::completion::{self, Question};
use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

/// Each is a whole answer of the language model, and one that can't do it will not learn it.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).unwrap();
/// Of one turn.
const MOST: usize = 5;
/// Within it brain has judged and written.
const KEEPING: Duration = Duration::from_secs(15);
/// Some five facts with their quotations.
const MAX_OUTPUT_TOKENS: u32 = 400;
const ORDER: &str = "\
You find facts about a person in what they said. A fact is what they said of themselves and what will still be true in a month: \
their name, family, work, home, health, habits, likes and plans. Leave out questions, wishes to the assistant, and what is true \
of the moment or of the world.
Answer with JSON: {\"facts\": [{\"text\": \"…\", \"quote\": \"…\"}]}, with five facts at most. `text` is one short sentence as the person \
would say it, in their own words. `quote` is copied word by word from what they said. If there is nothing, answer {\"facts\": []}.";

pub struct FactExtraction;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    turn_id: String,
}

pub(super) fn payload(turn: TurnId) -> Value {
    json!({ "turn_id": turn.to_string() })
}

impl Kind for FactExtraction {
    fn name(&self) -> &'static str {
        "fact_extraction"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    fn limits(&self) -> Limits {
        Limits { attempts: ATTEMPTS, ..Limits::DEFAULT }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn needs_person(&self) -> bool {
        true
    }

    fn check(&self, payload: &Value) -> Result<(), String> {
        read_payload(payload).map(|_| ())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let Some(person) = &job.person else { return Outcome::Impossible("it is about nobody".to_owned()) };
            match read_payload(&job.payload) {
                Ok(turn) => extract(kernel, job, person, turn).await.unwrap_or_else(|outcome| outcome),
                Err(reason) => Outcome::Impossible(reason),
            }
        }
        .boxed()
    }
}

pub(super) fn read_payload(payload: &Value) -> Result<TurnId, String> {
    let Payload { turn_id } =
        serde_json::from_value(payload.clone()).map_err(|error| format!("it needs the turn, as `turn_id`: {error}"))?;
    turn_id.parse().map_err(|error| format!("`turn_id` is no turn: {error}"))
}

async fn extract(kernel: &Kernel, job: &JobRow, person: &PersonId, turn: TurnId) -> Result<Outcome, Outcome> {
    let said = words(kernel, job, person, turn).await.map_err(|error| Outcome::Failed(with_causes(&error)))?;
    let Some(said) = said else { return Ok(done(0, &FactsKept { closed: true, ..FactsKept::default() })) };
    // A single word tells nothing of anybody.
    let facts = if said.split_whitespace().nth(1).is_some() {
        let question =
            Question { order: ORDER, material: &said, schema: schema(), max_output_tokens: MAX_OUTPUT_TOKENS };
        read(&completion::ask(kernel, job, question).await?)?
    } else {
        Vec::new()
    };
    let found = facts.len();
    let keep = FactsKeep { person_id: person.to_string(), turn_id: turn.to_string(), facts };
    let context = Kernel::context(job).with_deadline(KEEPING);
    let kept = kernel.bus.request(&context, subject::FACTS_KEEP, &keep).await;
    kept.map(|kept| done(found, &kept)).map_err(|error| completion::failed(&error))
}

async fn words(
    kernel: &Kernel,
    job: &JobRow,
    person: &PersonId,
    turn: TurnId,
) -> Result<Option<String>, aether_store::Error> {
    let mut transaction = kernel.store.tenant(&job.tenant).await?;
    transaction.words_to_learn_from(&job.agent, person, turn).await
}

/// Numbers and reasons only: what was said stays where it can be forgotten.
fn done(found: usize, kept: &FactsKept) -> Outcome {
    Outcome::Done(json!({ "found": found, "kept": kept.kept, "dropped": kept.dropped, "closed": kept.closed }))
}

fn schema() -> Value {
    let text = json!({ "type": "string" });
    let fact = json!({
        "type": "object",
        "properties": { "text": text, "quote": text },
        "required": ["text", "quote"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": { "facts": { "type": "array", "items": fact, "maxItems": MOST } },
        "required": ["facts"],
        "additionalProperties": false,
    })
}

/// The first five, in the shape that was asked for.
fn read(answer: &Value) -> Result<Vec<Fact>, Outcome> {
    let fact = |value: &Value| {
        let field = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Fact { text: field("text")?, quote: field("quote")? })
    };
    let facts = answer.get("facts").and_then(Value::as_array);
    let facts: Option<Vec<_>> = facts.and_then(|facts| facts.iter().take(MOST).map(fact).collect());
    facts.ok_or_else(|| Outcome::Failed("the language model answered with JSON of another shape".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_its_turn() {
        let turn = TurnId::generate();
        assert_eq!(read_payload(&payload(turn)), Ok(turn));
        for payload in [json!({}), json!({ "turn_id": "7" }), json!({ "turn_id": 7 }), Value::Null] {
            assert!(read_payload(&payload).unwrap_err().contains("turn_id"), "{payload}");
        }
    }

    #[test]
    fn facts_are_read_or_it_is_said_that_they_are_none() {
        let fact = json!({ "text": "I have a dog.", "quote": "my dog" });
        assert_eq!(read(&json!({ "facts": [] })), Ok(Vec::new()));
        assert_eq!(read(&json!({ "facts": [fact] })).unwrap().len(), 1);
        assert_eq!(read(&json!({ "facts": vec![fact.clone(); 9] })).unwrap().len(), MOST);
        for answer in [
            json!({}),
            json!({ "facts": "I have a dog." }),
            json!({ "facts": ["I have a dog."] }),
            json!({ "facts": [{ "text": "I have a dog." }] }),
            json!({ "facts": [{ "text": 7, "quote": [] }] }),
            json!({ "facts": [fact, null] }),
        ] {
            assert!(matches!(read(&answer), Err(Outcome::Failed(_))), "{answer}");
        }
    }
}
