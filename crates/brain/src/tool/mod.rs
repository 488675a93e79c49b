//! What the agent can do beside talking. One tool, one file: its name and schema for the model, phrases that ask for it,
//! what to say meanwhile, and what it does.
//!
//! A tool never sees arguments that its schema doesn't allow ([`read_arguments`]). What it returns are data: they are shown
//! to the model as such, and nothing in them is followed as an order.

pub mod choice;
mod current_time;
mod forget;
mod recall;
mod remember;
pub mod reminder;

use aether_memory::{Memory, Question};
use aether_proto::TurnId;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::input::Opening;
use crate::jobs::Jobs;

/// All there are.
pub const ALL: [&dyn Tool; 7] = [
    &current_time::CurrentTime,
    &recall::Recall,
    &remember::Remember,
    &forget::Forget,
    &reminder::SetReminder,
    &reminder::ListReminders,
    &reminder::CancelReminder,
];

pub trait Tool: Send + Sync {
    fn name(&self) -> &'static str;

    fn description(&self) -> &'static str;

    /// JSON Schema of the arguments.
    fn parameters(&self) -> Value;

    /// How sentences begin that ask for it whatever they are about, in lower case and without signs.
    fn beginnings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Words that ask for it, as people say them; about nothing in particular, or else whatever is about that seems to ask.
    fn examples(&self) -> &'static [&'static str];

    /// Words that sound alike and don't ask for it.
    fn counterexamples(&self) -> &'static [&'static str] {
        &[]
    }

    /// Said while it runs, where that takes long enough to be noticed.
    fn meanwhile(&self) -> Option<&'static str> {
        None
    }

    /// Said when it could not be used.
    fn apology(&self) -> &'static str;

    fn needs_person(&self) -> bool {
        true
    }

    /// The arguments, where the words alone give them: then the model need not be asked for them.
    fn arguments_for(&self, _words: &str) -> Option<Value> {
        None
    }

    fn run<'a>(&'a self, around: Surroundings<'a>, arguments: &'a Value) -> BoxFuture<'a, Outcome>;
}

/// Where a tool runs.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub opening: &'a Opening,
    /// Unless the sentence model is not loaded yet.
    pub memory: Option<&'a Memory>,
    pub jobs: &'a Jobs,
    /// Turns that the model sees anyway.
    pub shown: &'a [TurnId],
}

impl<'a> Surroundings<'a> {
    /// The memory, asked about these words; `None` where there is none, or nobody whose it would be.
    fn question(&self, words: &'a str, except: &'a [TurnId]) -> Option<(&'a Memory, Question<'a>)> {
        let Opening { tenant, agent, person, .. } = self.opening;
        let question = Question { tenant, agent, person: person.as_ref()?, words, except };
        Some((self.memory?, question))
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub ok: bool,
    /// For the model; empty when nothing was found.
    pub text: String,
    /// For a person who watches.
    pub summary: String,
    /// The answer, where nothing is left to think about. A small model would garble it, and claim what was not done.
    pub answer: Option<String>,
    /// Turns that are no more.
    pub gone: Vec<TurnId>,
}

impl Outcome {
    /// For the model to make an answer of.
    fn found(text: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), summary: summary.into(), answer: None, gone: Vec::new() }
    }

    /// Done, and this says so.
    fn done(text: impl Into<String>, summary: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { answer: Some(answer.into()), ..Self::found(text, summary) }
    }

    /// Not done, and this says why.
    pub fn failed(reason: impl Into<String>, answer: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { ok: false, ..Self::done(format!("It failed: {reason}."), reason, answer) }
    }
}

pub fn named(name: &str) -> Option<&'static dyn Tool> {
    ALL.into_iter().find(|tool| tool.name() == name)
}

/// What the model wrote, if the tool's schema allows it. The error is for the model: what is wrong and how it should be.
pub fn read_arguments(tool: &dyn Tool, text: &str) -> Result<Value, String> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let arguments: Value =
        serde_json::from_str(text).map_err(|error| format!("the arguments are not JSON ({error})"))?;
    match jsonschema::validate(&tool.parameters(), &arguments) {
        Ok(()) => Ok(arguments),
        Err(error) => {
            let (problem, place) = (error.to_string(), error.instance_path().to_string());
            Err(if place.is_empty() { problem } else { format!("{place}: {problem}") })
        }
    }
}

/// The schema of an object with one text.
fn one_text(name: &str, about: &str) -> Value {
    serde_json::json!({
        "type": "object",
        "properties": { name: { "type": "string", "description": about, "minLength": 1, "maxLength": 500 } },
        "required": [name],
    })
}

fn text_of<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_what_the_schema_allows_or_an_error_that_says_why() {
        let remember = named("remember").unwrap();
        let read = |text| read_arguments(remember, text);
        assert_eq!(text_of(&read("{\"fact\": \" I like tea. \"}").unwrap(), "fact"), "I like tea.");
        for (text, reason) in [
            ("", "\"fact\" is a required property"),
            ("{\"fact\": 42}", "/fact: 42 is not of type \"string\""),
            ("{\"fact\": \"\"}", "/fact: \"\" is shorter than 1 character"),
            ("[]", "[] is not of type \"object\""),
            ("{\"fact\": \"I", "the arguments are not JSON (EOF while parsing a string at line 1 column 11)"),
        ] {
            assert_eq!(read(text), Err(reason.to_owned()), "{text}");
        }
        // What a tool doesn't ask for doesn't matter to it.
        assert!(read_arguments(named("current_time").unwrap(), "{\"zone\": \"here\"}").is_ok());
    }

    #[test]
    fn every_tool_has_a_name_of_its_own_and_a_schema_that_can_be_used() {
        for tool in ALL {
            assert!(jsonschema::validator_for(&tool.parameters()).is_ok(), "{}", tool.name());
            assert!(std::ptr::addr_eq(named(tool.name()).unwrap(), tool));
        }
    }
}
