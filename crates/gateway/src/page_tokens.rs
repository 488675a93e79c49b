//! Short-lived tokens: what a page shows instead of a key.

use aether_identity::{PageClaims, Scope, Scopes};
use aether_proto::{ErrorCode, PersonId};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::access::{ByPageToken, Caller, now_unix};
use crate::app::App;
use crate::fields::{Body, Field, display_name};
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// How long one token is good.
const LIFETIME: u64 = 12 * 60 * 60;
/// How long tokens can renew each other after the first.
const RENEWABLE: u64 = 7 * 24 * 60 * 60;

/// `POST /v1/page-tokens`: `{person?, name?, scopes?}`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    by: Option<Extension<ByPageToken>>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.object_if_any()?;
    let person = match body.get("person") {
        None => caller.person.clone(),
        Some(field) => Some(other_person(&caller, &field)?),
    };
    let name = body.get("name").map(|field| Ok::<_, Problem>((display_name(&field)?, field))).transpose()?;
    let scopes = match body.get("scopes") {
        None => caller.scopes.and(Scopes::PAGE),
        Some(field) => granted(&caller, &field)?,
    };
    let now = now_unix();
    let first_issued_at = by.map_or(now, |Extension(by)| by.first_issued_at);
    let expires_at = (now + LIFETIME).min(first_issued_at.saturating_add(RENEWABLE));
    if expires_at <= now {
        let message =
            "this token was renewed for seven days, which is as long as it may be: open the page's link again";
        return Err(Problem::new(ErrorCode::PermissionDenied, message).shown_as("token_too_old"));
    }
    if let Some((name, field)) = name {
        let Some(person) = &person else { return Err(field.wrong("needs a `person` to be the name of")) };
        let mut transaction = app.store.tenant(&caller.tenant).await?;
        transaction.upsert_person(person, &name).await?;
        transaction.commit().await?;
        app.names.forget(&caller.tenant, person);
    }
    let claims = PageClaims {
        tenant: caller.tenant.clone(),
        agent: caller.agent.clone(),
        person,
        scopes,
        first_issued_at,
        expires_at,
    };
    let until = i64::try_from(expires_at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let token = app.options.keyring.sign(&claims);
    Ok((StatusCode::CREATED, Json(json!({ "token": token, "expires_at": until.and_then(rfc3339) }))))
}

/// Whoever is somebody can't become somebody else.
fn other_person(caller: &Caller, field: &Field<'_>) -> Result<PersonId, Problem> {
    let person: PersonId = field.parse()?;
    let may = caller.person.is_none() || caller.may(Scope::Admin) || caller.person.as_ref() == Some(&person);
    if may {
        return Ok(person);
    }
    let message = "only a key without a person, or one with the scope `admin`, can make tokens for others";
    Err(Problem::new(ErrorCode::PermissionDenied, message).at("person"))
}

/// The scopes that a field asks for, as a list or as words in one text: none but the caller's own.
pub(crate) fn granted(caller: &Caller, field: &Field<'_>) -> Result<Scopes, Problem> {
    let scopes: Scopes = if field.value().is_array() {
        field.list()?.iter().map(Field::parse::<Scope>).collect::<Result<_, _>>()?
    } else {
        field.parse()?
    };
    if scopes.is_within(caller.scopes) {
        return Ok(scopes);
    }
    let message = format!("nobody can give away more than they have: {}", caller.scopes);
    Err(Problem::new(ErrorCode::PermissionDenied, message).at(field.path()))
}
