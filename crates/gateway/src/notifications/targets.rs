use aether_proto::{NotificationTarget, Urgency, notify_control::Wish};
use aether_store::TargetRow;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Query, deleted, person, urgency, urgency_name, wish};
use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, Segment};
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// `GET /v1/notifications/targets`: where the person is told beside room and page.
pub(crate) async fn list(State(app): State<App>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let targets = app.store.tenant(&caller.tenant).await?.targets(&caller.agent, &person).await?;
    let data: Vec<_> = targets.iter().map(shown).collect();
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/notifications/targets`: `{"channel": "push", "subscription": {…}}`, as a browser gives it, or `{"channel":
/// "email" | "webhook", "address": "…"}`; `least_urgency` where it is to be another than usual.
pub(crate) async fn add(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let person = person(&caller, &query)?;
    let body = body.object()?;
    let channel = body.required("channel")?.text()?.to_owned();
    let least_urgency = body.get("least_urgency").map(|field| urgency(&field)).transpose()?;
    let least_urgency = least_urgency.unwrap_or(Urgency::Unspecified).into();
    let target = if channel == "push" {
        let subscription = body.required("subscription")?.object()?;
        let keys = subscription.required("keys")?.object()?;
        NotificationTarget {
            address: subscription.required("endpoint")?.text()?.to_owned(),
            push_key: keys.required("p256dh")?.text()?.to_owned(),
            push_auth: keys.required("auth")?.text()?.to_owned(),
            channel,
            least_urgency,
        }
    } else {
        let address = body.required("address")?.text()?.trim().to_owned();
        NotificationTarget { channel, address, least_urgency, ..NotificationTarget::default() }
    };
    let reply = wish(&app, &caller, &person, Wish::AddTarget(target)).await?;
    let targets = app.store.tenant(&caller.tenant).await?.targets(&caller.agent, &person).await?;
    let added = targets.iter().find(|target| target.target.to_string() == reply.id);
    let mut whole = added.map(shown).ok_or_else(|| Problem::not_found("the target was removed again meanwhile"))?;
    if !reply.secret.is_empty() {
        whole["secret"] = Value::String(reply.secret);
    }
    Ok((StatusCode::CREATED, Json(whole)))
}

/// `DELETE /v1/notifications/targets/{id}`
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    Segment(id): Segment,
) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    wish(&app, &caller, &person, Wish::RemoveTarget(id.clone())).await?;
    Ok(deleted("target_id", &id))
}

/// A push service's address is as good as a key to it: only its host is shown.
fn shown(target: &TargetRow) -> Value {
    let host = || target.address.split('/').nth(2).unwrap_or_default();
    json!({
        "target_id": target.target.to_string(),
        "channel": target.channel,
        "address": if target.channel == "push" { host() } else { &target.address },
        "least_urgency": urgency_name(target.least_urgency),
        "broken": target.broken,
        "created_at": rfc3339(target.created_at),
    })
}
