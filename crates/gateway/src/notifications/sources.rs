use aether_identity::Secret;
use aether_proto::notify_control::Wish;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Query, deleted, person, wish};
use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, Segment};
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// What a source signs its events with: derived from its id, kept nowhere.
pub(crate) fn secret(app: &App, source: &str) -> Secret {
    Secret::new(app.options.keyring.derive("event source", source))
}

/// `GET /v1/sources`: who may send events for the person.
pub(crate) async fn list(State(app): State<App>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let sources = app.store.tenant(&caller.tenant).await?.sources(&caller.agent, &person).await?;
    let data: Vec<_> = sources
        .iter()
        .map(|source| {
            json!({
                "source_id": source.source,
                "name": source.name,
                "url": url(&app, &source.source),
                "created_at": rfc3339(source.created_at),
            })
        })
        .collect();
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/sources`: `{"name": "builds"}`; tells where events are to be sent, and what they are to be signed with.
pub(crate) async fn add(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let person = person(&caller, &query)?;
    let name = body.object()?.required("name")?.text()?.to_owned();
    let reply = wish(&app, &caller, &person, Wish::AddSource(name.clone())).await?;
    let added = json!({
        "source_id": reply.id,
        "name": name,
        "url": url(&app, &reply.id),
        "secret": secret(&app, &reply.id).reveal(),
    });
    Ok((StatusCode::CREATED, Json(added)))
}

/// `DELETE /v1/sources/{id}`: nothing that it sends is taken any more.
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    Segment(id): Segment,
) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    wish(&app, &caller, &person, Wish::RemoveSource(id.clone())).await?;
    Ok(deleted("source_id", &id))
}

fn url(app: &App, source: &str) -> String {
    format!("{}/v1/events/{source}", app.options.public_url.trim_end_matches('/'))
}
