//! What a person is told without having asked: the list of it, what they think of it, and what they wish about it. Reading
//! is done here; whatever changes something is the notifier's to do, and it is asked.

mod list;
mod rules;
mod settings;
mod sources;
mod targets;

use std::collections::HashMap;
use std::time::Duration;

use aether_proto::{ErrorCode, NotifyControl, NotifyControlReply, PersonId, Urgency, notify_control::Wish, subject};
use axum::Json;
use serde_json::{Value, json};

pub(crate) use list::{act, list, notified, unseen};
pub(crate) use rules::{forget as forget_rule, list as rules};
pub(crate) use settings::{change as change_settings, show as settings};
pub(crate) use sources::{add as add_source, list as sources, remove as remove_source, secret as source_secret};
pub(crate) use targets::{add as add_target, list as targets, remove as remove_target};

use crate::access::Caller;
use crate::app::App;
use crate::fields::Field;
use crate::problem::Problem;

/// Within it the notifier has written down what was wished.
const CONTROL: Duration = Duration::from_secs(5);
const URGENCIES: [(&str, Urgency); 4] =
    [("low", Urgency::Low), ("normal", Urgency::Normal), ("high", Urgency::High), ("urgent", Urgency::Urgent)];

type Query = axum::extract::Query<HashMap<String, String>>;

/// The caller; or whom a key of nobody's names as `person_id`.
fn person(caller: &Caller, query: &HashMap<String, String>) -> Result<PersonId, Problem> {
    let named = query.get("person_id");
    match (&caller.person, named) {
        (Some(person), None) => Ok(person.clone()),
        (Some(person), Some(named)) if person.as_str() == named => Ok(person.clone()),
        (Some(_), Some(_)) => Err(Problem::new(ErrorCode::PermissionDenied, "this key speaks for somebody else")),
        (None, Some(named)) => PersonId::new(named.clone()).map_err(|error| Problem::field("person_id", error)),
        (None, None) => Err(Problem::field("person_id", "this key is nobody's: say whose, `?person_id=…`")),
    }
}

async fn wish(app: &App, caller: &Caller, person: &PersonId, wish: Wish) -> Result<NotifyControlReply, Problem> {
    let wish = NotifyControl { person_id: person.to_string(), wish: Some(wish) };
    let context = app.context(caller).with_deadline(CONTROL);
    match app.bus.request(&context, subject::NOTIFY_CONTROL, &wish).await {
        Err(aether_bus::Error::NoWorker { .. }) => {
            let message = "the notifier does not run, so nothing was changed; try again";
            Err(Problem::new(ErrorCode::Unavailable, message))
        }
        asked => Ok(asked?),
    }
}

/// As it is written in JSON.
pub(crate) fn urgency(field: &Field<'_>) -> Result<Urgency, Problem> {
    let text = field.text()?;
    let found = URGENCIES.into_iter().find(|(name, _)| *name == text).map(|(_, urgency)| urgency);
    found.ok_or_else(|| field.wrong("must be `low`, `normal`, `high` or `urgent`"))
}

fn urgency_name(urgency: i16) -> &'static str {
    let named = URGENCIES.into_iter().find(|(_, one)| i32::from(*one) == i32::from(urgency));
    named.map_or("unknown", |(name, _)| name)
}

fn deleted(name: &str, id: &str) -> Json<Value> {
    Json(json!({ name: id, "deleted": true }))
}
