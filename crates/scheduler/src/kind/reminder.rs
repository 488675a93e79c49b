//! Tells a person at its time what they wanted to be told: aloud, in the room they are in.

use std::sync::Arc;
use std::time::Duration;

use aether_job::Priority;
use aether_proto::{Announce, PersonId, RoomControl, RoomControlReply, RoomName, room_control, subject};
use aether_store::{JobRow, RoomsError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

/// Until it is looked again for somebody who is in no room, or whose room can't be found out.
const UNTIL_THERE: Duration = Duration::from_secs(5);
const LONGEST: usize = 500;
/// Within it the agent in the room takes what is to be said, or does not.
const ASKING: Duration = Duration::from_secs(3);

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
            let payload = match read(&job.payload) {
                Ok(payload) => payload,
                Err(reason) => return Outcome::Impossible(reason),
            };
            remind(kernel, job, person, &payload.about).await
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

async fn remind(kernel: &Arc<Kernel>, job: &JobRow, person: &PersonId, about: &str) -> Outcome {
    let rooms = match rooms_of(kernel, job, person).await {
        Ok(rooms) => rooms,
        Err(error) => {
            tracing::warn!(%error, job = %job.job, "nobody can say who is in which room, so a reminder waits");
            return Outcome::NotNow(UNTIL_THERE);
        }
    };
    let text = format!("Here is your reminder: {}.", about.trim().trim_end_matches(['.', '!']));
    for room in rooms {
        // The agent says what it was asked to say under one id once, however often it is asked.
        let announce = Announce { id: job.job.to_string(), person_id: person.to_string(), text: text.clone() };
        let wish = RoomControl { action: Some(room_control::Action::Announce(announce)) };
        let context = Kernel::context(job).with_deadline(ASKING);
        let asked = kernel.bus.request(&context, &subject::room_control(&job.tenant, &room), &wish).await;
        match asked.map(|RoomControlReply { .. }| ()) {
            Ok(()) => return Outcome::Done(json!({ "told_in": room })),
            // The agent or the person has just gone, or it has too much to say already. That is no failure of the reminder.
            Err(error) => tracing::debug!(%error, %room, job = %job.job, "a reminder was not taken in a room"),
        }
    }
    Outcome::NotNow(UNTIL_THERE)
}

async fn rooms_of(kernel: &Kernel, job: &JobRow, person: &PersonId) -> Result<Vec<RoomName>, RoomsError> {
    let mut theirs = Vec::new();
    for room in kernel.rooms.rooms(&job.tenant).await? {
        let state = kernel.rooms.state(&job.tenant, &room).await?;
        if state.is_some_and(|state| state.people.iter().any(|one| one == person.as_str())) {
            theirs.push(room);
        }
    }
    Ok(theirs)
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
            (json!({ "about": "x".repeat(501) }), "limit"),
            (json!({ "about": "tea", "when": "now" }), "when"),
            (json!([]), "about"),
            (Value::Null, "about"),
        ] {
            assert!(Reminder.check(&payload).unwrap_err().contains(reason), "{payload}");
        }
    }
}
