//! Past conversations, spoken and written, as far as the caller took part in them.

use std::collections::HashMap;

use aether_proto::SessionId;
use aether_store::SessionQuery;
use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::access::Caller;
use crate::app::App;
use crate::fields::Segment;
use crate::problem::Problem;
use crate::trace::concerns;

const USUAL: u32 = 20;
const MOST: u32 = 100;

/// `GET /v1/sessions?limit&before`: newest first. The next page begins `before` the `started_at` of the last session shown.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let (limit, before) = page_of(&query)?;
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let query =
        SessionQuery { agent: &caller.agent, person: caller.person.as_ref(), before, limit: limit.saturating_add(1) };
    let mut sessions = transaction.sessions(&query).await?;
    let has_more = sessions.len() > limit as usize;
    sessions.truncate(limit as usize);
    let data: Vec<Value> = sessions
        .into_iter()
        .map(|session| {
            json!({
                "session_id": session.session.to_string(),
                "room": session.room,
                "started_at": rfc3339(session.started_at),
                "last_at": rfc3339(session.last_at),
                "turns": session.turns,
                "first_words": session.first_words,
                "title": session.title,
                "summary": session.summary,
                "people": session.people,
            })
        })
        .collect();
    Ok(Json(json!({ "data": data, "has_more": has_more })))
}

/// How many a caller wants, and only from before when.
pub(crate) fn page_of(query: &HashMap<String, String>) -> Result<(u32, Option<OffsetDateTime>), Problem> {
    let limit = limit_of(query)?;
    let before = match query.get("before") {
        None => None,
        Some(text) => Some(OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            Problem::field("before", "`before` must be a time such as 2026-01-31T12:00:00Z, with its `+` escaped")
        })?),
    };
    Ok((limit, before))
}

/// How many a caller wants.
pub(crate) fn limit_of(query: &HashMap<String, String>) -> Result<u32, Problem> {
    match query.get("limit") {
        None => Ok(USUAL),
        Some(text) => text.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
            Problem::field("limit", format_args!("`limit` must be a whole number between 1 and {MOST}"))
        }),
    }
}

/// `GET /v1/sessions/{id}`
pub(crate) async fn show(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Result<Json<Value>, Problem> {
    // What is no id names no session.
    let unknown = || Problem::not_found(format_args!("there is no session {id:?}"));
    let session: SessionId = id.parse().map_err(|_| unknown())?;
    concerns("session", session);
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let turns = transaction.session_turns(session, caller.person.as_ref(), &caller.agent).await?.ok_or_else(unknown)?;
    let turns: Vec<Value> = turns
        .into_iter()
        .map(|turn| {
            json!({
                "turn_id": turn.turn.to_string(),
                "person_id": turn.person_id,
                "person_name": turn.person_name,
                "modality": turn.modality,
                "words": turn.words,
                "answer": turn.answer,
                "heard": turn.heard,
                "status": turn.status.as_str(),
                "started_at": rfc3339(turn.started_at),
                "ended_at": turn.ended_at.map(rfc3339),
            })
        })
        .collect();
    Ok(Json(json!({ "session_id": session.to_string(), "turns": turns })))
}

pub(crate) fn rfc3339(at: OffsetDateTime) -> Option<String> {
    // Fails only for years that no clock of ours shows.
    at.format(&Rfc3339).ok()
}
