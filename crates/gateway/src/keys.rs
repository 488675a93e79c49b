//! API keys: made, listed, ended. The text of one is shown once and kept nowhere.

use aether_identity::Scopes;
use aether_proto::PersonId;
use aether_store::{KeyRow, NewKeyRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, Segment, display_name};
use crate::page_tokens::granted;
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// Ten years: as good as for ever, and still a date.
const LONGEST_DAYS: u64 = 3650;

/// `GET /v1/keys`
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let keys = app.store.tenant(&caller.tenant).await?.keys().await?;
    let data: Vec<Value> = keys.iter().map(described).collect();
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/keys`: `{name, person?, scopes?, expires_in_days?}`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.object()?;
    let name = display_name(&body.required("name")?)?;
    let person = body.get("person").map(|field| field.parse::<PersonId>()).transpose()?;
    let scopes = match body.get("scopes") {
        None => caller.scopes.and(Scopes::PAGE),
        Some(field) => {
            let scopes = granted(&caller, &field)?;
            if scopes.is_empty() {
                return Err(field.wrong("must name at least one scope"));
            }
            scopes
        }
    };
    let days = body.get("expires_in_days").map(|field| field.integer(1..=LONGEST_DAYS)).transpose()?;
    let now = OffsetDateTime::now_utc();
    let expires_at = days.map(|days| now + Duration::days(i64::try_from(days).unwrap_or(i64::MAX)));

    let key = app.options.keyring.make_key();
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let row = NewKeyRow {
        agent: &caller.agent,
        person: person.as_ref(),
        name: &name,
        prefix: &key.prefix,
        hash: &key.hash,
        scopes: &scopes.to_string(),
        expires_at,
    };
    transaction.insert_key(&row).await?;
    transaction.commit().await?;
    tracing::info!(prefix = key.prefix, "a key was made");
    let shown = json!({
        "key": key.text,
        "prefix": key.prefix,
        "name": name,
        "agent": caller.agent,
        "person": person,
        "scopes": scopes,
        "created_at": rfc3339(now),
        "expires_at": expires_at.and_then(rfc3339),
    });
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `DELETE /v1/keys/{prefix}`
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Segment(prefix): Segment,
) -> Result<Json<Value>, Problem> {
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    if !transaction.revoke_key(&prefix).await? {
        return Err(Problem::not_found(format_args!("there is no key {prefix:?}")));
    }
    transaction.commit().await?;
    app.keys.forget(&prefix);
    tracing::info!(prefix, "a key was revoked");
    Ok(Json(json!({ "prefix": prefix, "revoked": true })))
}

fn described(row: &KeyRow) -> Value {
    json!({
        "prefix": row.prefix,
        "name": row.name,
        "agent": row.agent,
        "person": row.person,
        "scopes": row.scopes,
        "created_at": rfc3339(row.created_at),
        "expires_at": row.expires_at.and_then(rfc3339),
        "last_used_at": row.last_used_at.and_then(rfc3339),
        "revoked_at": row.revoked_at.and_then(rfc3339),
    })
}
