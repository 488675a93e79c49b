//! Tells a person at its time what they wanted to be told. Where and how they are told is the notifier's to find out.

use std::sync::Arc;
use std::time::Duration;

use aether_job::Priority;
use aether_proto::{PersonId, PluginEvent, Urgency};
use aether_store::JobRow;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

const LONGEST: usize = 480;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    /// What they are reminded of, in their own words.
    about: String,
}

pub struct Reminder;

impl Kind for Reminder {
    fn name(&self) -> &'static str {
        "reminder"
    }

    fn pool(&self) -> Pool {
        Pool::Interactive
    }

    fn priority(&self) -> Priority {
        Priority::P0
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn needs_person(&self) -> bool {
        true
    }

    fn check(&self, payload: &Value) -> Result<(), String> {
        read(payload).map(|_| ())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let Some(person) = &job.person else { return Outcome::Impossible("it is for nobody".to_owned()) };
            match read(&job.payload) {
                Ok(payload) => remind(kernel, job, person, &payload.about).await,
                Err(reason) => Outcome::Impossible(reason),
            }
        }
        .boxed()
    }
}

fn read(payload: &Value) -> Result<Payload, String> {
    let payload: Payload = serde_json::from_value(payload.clone())
        .map_err(|error| format!("a reminder says what it is `about`: {error}"))?;
    match payload.about.trim().len() {
        0 => Err("there is nothing to be reminded of: `about` is empty".to_owned()),
        length if length > LONGEST => Err(format!("`about` has {length} bytes, the limit is {LONGEST}")),
        _ => Ok(payload),
    }
}

/// Under the job's id the notifier tells it once, however often it is handed over.
async fn remind(kernel: &Kernel, job: &JobRow, person: &PersonId, about: &str) -> Outcome {
    let event = PluginEvent {
        event_id: job.job.to_string(),
        source: "reminder".to_owned(),
        kind: "reminder".to_owned(),
        person_id: person.to_string(),
        title: format!("Here is your reminder: {}.", about.trim().trim_end_matches(['.', '!'])),
        urgency: Urgency::Urgent.into(),
        ..PluginEvent::default()
    };
    match kernel.have_told(job, &event).await {
        Ok(()) => Outcome::Done(json!({ "handed_to": "notifier" })),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_what_it_is_about_or_what_is_wrong() {
        assert!(Reminder.check(&json!({ "about": "call mum" })).is_ok());
        for (payload, reason) in [
            (json!({}), "`about`"),
            (json!({ "about": " " }), "empty"),
            (json!({ "about": "x".repeat(481) }), "limit"),
            (json!({ "about": "tea", "when": "now" }), "when"),
            (json!([]), "about"),
            (Value::Null, "about"),
        ] {
            assert!(Reminder.check(&payload).unwrap_err().contains(reason), "{payload}");
        }
    }
}
