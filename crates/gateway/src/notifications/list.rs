use aether_proto::{
    ClientEvent, Notification, NotificationFeedback, NotificationId, NotificationSnooze, PersonId, client_event,
    notify_control::Wish,
};
use aether_store::{NotificationQuery, NotificationRow};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Query, person, rules, urgency_name, wish};
use crate::access::Caller;
use crate::app::App;
use crate::chat::unix_us;
use crate::fields::{Body, Segment};
use crate::problem::Problem;
use crate::sessions::{limit_of, rfc3339};
use crate::trace::concerns;

/// A week.
const LONGEST_SNOOZE: u64 = 7 * 24 * 60;
/// Unseen ones that somebody who connects is told of at once.
const MOST_UNSEEN: u32 = 20;
/// States of what was told, or would have been if somebody had been there.
const TOLD: [&str; 3] = ["delivering", "delivered", "undeliverable"];

/// `GET /v1/notifications?unseen&limit&before`: newest first. The next page begins `before` the last id shown.
pub(crate) async fn list(State(app): State<App>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let limit = limit_of(&query)?;
    let before = match query.get("before") {
        None => None,
        Some(text) => Some(text.parse::<NotificationId>().map_err(|error| Problem::field("before", error))?),
    };
    let unseen = match query.get("unseen").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::field("unseen", "`unseen` must be `true` or `false`")),
    };
    let wanted =
        NotificationQuery { agent: &caller.agent, person: &person, unseen, state: "", before, limit: limit + 1 };
    let mut rows = app.store.tenant(&caller.tenant).await?.notifications(&wanted).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let data: Vec<_> = rows.iter().map(shown).collect();
    Ok(Json(json!({ "data": data, "has_more": has_more })))
}

/// `POST /v1/notifications/{id}`: `{"seen": true}`, `{"feedback": "engaged" | "dismissed" | "muted"}` or
/// `{"snooze_minutes": 10}`.
pub(crate) async fn act(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    Segment(id): Segment,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let unknown = || Problem::not_found(format_args!("there is no notification {id:?}"));
    let notification: NotificationId = id.parse().map_err(|_| unknown())?;
    concerns("notification", notification);
    let body = body.object()?;
    let wished = match (body.get("seen"), body.get("feedback"), body.get("snooze_minutes")) {
        (Some(seen), None, None) if seen.flag()? => Wish::Seen(id.clone()),
        (None, Some(field), None) => {
            let feedback = field.text()?.to_owned();
            Wish::Feedback(NotificationFeedback { notification_id: id.clone(), feedback })
        }
        (None, None, Some(field)) => {
            let minutes = u32::try_from(field.integer(1..=LONGEST_SNOOZE)?).unwrap_or(1);
            Wish::Snooze(NotificationSnooze { notification_id: id.clone(), minutes })
        }
        _ => return Err(Problem::field("seen", "send one of `seen` (true), `feedback` and `snooze_minutes`")),
    };
    let reply = wish(&app, &caller, &person, wished.clone()).await?;
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let row = transaction.notification(&caller.agent, Some(&person), notification).await?.ok_or_else(unknown)?;
    let rule = match wished {
        Wish::Feedback(_) if !reply.id.is_empty() => {
            transaction.rule(&caller.agent, &person, &row.source, &row.kind).await?.as_ref().map(rules::shown)
        }
        _ => None,
    };
    Ok(Json(json!({ "notification": shown(&row), "rule": rule })))
}

fn shown(row: &NotificationRow) -> Value {
    json!({
        "notification_id": row.notification.to_string(),
        "source": row.source,
        "kind": row.kind,
        "title": row.title,
        "text": row.text,
        "url": row.url,
        "urgency": urgency_name(row.urgency),
        "state": row.state,
        "reason": row.reason,
        "due_at": row.due_at.and_then(rfc3339),
        "created_at": rfc3339(row.created_at),
        "seen_at": row.seen_at.and_then(rfc3339),
        "feedback": row.feedback,
    })
}

/// What a person was told and has not seen, the oldest first, as they would have heard of it. Nothing where the database is
/// away: the list is there again with it.
pub(crate) async fn unseen(app: &App, caller: &Caller, person: &PersonId) -> Vec<ClientEvent> {
    let query =
        NotificationQuery { agent: &caller.agent, person, unseen: true, state: "", before: None, limit: MOST_UNSEEN };
    let rows = async { app.store.tenant(&caller.tenant).await?.notifications(&query).await };
    let rows = rows.await.unwrap_or_default();
    rows.iter()
        .rev()
        .filter(|row| TOLD.contains(&row.state.as_str()))
        .map(|row| notified(row.person.as_str(), row.into()))
        .collect()
}

/// The event that a notification is to its person's clients.
pub(crate) fn notified(person: &str, notification: Notification) -> ClientEvent {
    ClientEvent {
        people: vec![person.to_owned()],
        at_unix_us: unix_us(),
        event: Some(client_event::Event::Notification(notification)),
        ..ClientEvent::default()
    }
}
