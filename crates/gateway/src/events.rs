//! `POST /v1/events/{source}`: software tells what happened. Believed only with a signature that fits: that of Standard
//! Webhooks, or GitHub's. One that is sent a second time changes nothing.

use std::time::SystemTime;

use aether_bus::{Context, DurableStream};
use aether_identity::{Refused, TOLERANCE, verify, verify_github};
use aether_proto::{ErrorCode, PluginEvent, subject};
use aether_store::FoundSource;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::fields::{Body, Field, Object, Segment};
use crate::notifications::{source_secret, urgency};
use crate::problem::Problem;
use crate::trace::concerns;

/// In bytes; what GitHub tells is some tens of thousands.
const LARGEST: usize = 256 << 10;

/// Answered once the event can't be lost any more.
pub(crate) async fn receive(
    State(app): State<App>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.map_err(|error| Problem::new(ErrorCode::TooLarge, error.body_text()))?;
    if body.len() > LARGEST {
        let message = format!("the body has {} bytes, the limit is {LARGEST}", body.len());
        return Err(Problem::new(ErrorCode::TooLarge, message));
    }
    let source = app.store.find_source(&id).await?;
    let source = source.ok_or_else(|| Problem::not_found("there is no such source of events, or no longer"))?;
    concerns("tenant", &source.tenant);
    let event = believed(&app, &id, &headers, &body)?.read(&source, &body)?;
    event.check(unix_ms(OffsetDateTime::now_utc())).map_err(|error| Problem::new(ErrorCode::InvalidArgument, error))?;
    let escaped = |text: &str| subject::escape(text);
    let message_id = format!("{}/{}/{}", escaped(source.tenant.as_str()), escaped(&id), escaped(&event.event_id));
    let context = Context::new(source.tenant.clone(), source.agent.clone());
    let subject = subject::notify_events(&source.tenant, &source.name);
    app.bus.publish_durable(&context, DurableStream::Events, &subject, &message_id, &event).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "event_id": event.event_id, "accepted": true }))))
}

/// A request whose signature fits.
enum Believed {
    Standard { id: String },
    GitHub { signature: String, event: String },
}

fn believed(app: &App, source: &str, headers: &HeaderMap, body: &[u8]) -> Result<Believed, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let secret = source_secret(app, source);
    let github = text("x-hub-signature-256");
    let (checked, believed) = if github.is_empty() {
        let (id, timestamp, signatures) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
        let checked = verify(&secret, id, timestamp, signatures, body, SystemTime::now(), TOLERANCE);
        (checked, Believed::Standard { id: id.to_owned() })
    } else {
        let event = text("x-github-event").to_owned();
        let believed = Believed::GitHub { signature: github.to_owned(), event };
        (verify_github(&secret.reveal(), github, body), believed)
    };
    let refused = |refused: Refused| {
        let message = format!(
            "this event is not believed: {refused}; sign it as Standard Webhooks say (webhook-id, webhook-timestamp, \
             webhook-signature) with the secret that the source was given"
        );
        Problem::new(ErrorCode::Unauthenticated, message).shown_as("invalid_signature")
    };
    checked.map(|()| believed).map_err(refused)
}

impl Believed {
    fn read(self, source: &FoundSource, body: &[u8]) -> Result<PluginEvent, Problem> {
        let value = serde_json::from_slice(body)
            .map_err(|error| Problem::new(ErrorCode::InvalidArgument, format_args!("the body is not JSON: {error}")))?;
        let body = Body::of(value);
        let event = match self {
            Self::Standard { id } => standard(id, &body.object()?)?,
            Self::GitHub { signature, event } => github(signature, &event, &body.object()?),
        };
        Ok(PluginEvent { source: source.name.clone(), person_id: source.person.to_string(), ..event })
    }
}

/// `{"kind", "title", "text"?, "url"?, "urgency"?, "occurred_at"?, "expires_at"?}`
fn standard(event_id: String, body: &Object<'_>) -> Result<PluginEvent, Problem> {
    let text = |name: &str| body.get(name).map(|field| field.text().map(str::to_owned)).transpose();
    let urgency = body.get("urgency").map(|field| urgency(&field)).transpose()?;
    Ok(PluginEvent {
        event_id,
        kind: body.required("kind")?.text()?.to_owned(),
        title: body.required("title")?.text()?.to_owned(),
        text: text("text")?.unwrap_or_default(),
        url: text("url")?.unwrap_or_default(),
        urgency: urgency.unwrap_or_default().into(),
        occurred_unix_ms: body.get("occurred_at").map(|field| time(&field)).transpose()?.unwrap_or_default(),
        expires_unix_ms: body.get("expires_at").map(|field| time(&field)).transpose()?.unwrap_or_default(),
        ..PluginEvent::default()
    })
}

fn time(field: &Field<'_>) -> Result<i64, Problem> {
    let at = OffsetDateTime::parse(field.text()?, &Rfc3339);
    let at = at.map_err(|_| field.wrong("must be a time such as 2026-11-29T12:00:00Z"))?;
    Ok(unix_ms(at))
}

/// GitHub signs no time and no id. The signature itself is the id: the same body has the same, so it counts once for ever.
fn github(signature: String, event: &str, body: &Object<'_>) -> PluginEvent {
    let text = |object: &Object<'_>, name: &str| {
        object.get(name).and_then(|field| field.text().ok().map(str::to_owned)).unwrap_or_default()
    };
    let within = |outer: &str, inner: &str| {
        body.get(outer).and_then(|field| field.object().ok()).map(|object| text(&object, inner)).unwrap_or_default()
    };
    let action = text(body, "action");
    let kind = if action.is_empty() { event.to_owned() } else { format!("{event}.{action}") };
    let subject = ["pull_request", "issue", "release", "workflow_run"].into_iter().find_map(|outer| {
        let title = [within(outer, "title"), within(outer, "name")].into_iter().find(|title| !title.is_empty())?;
        Some((title, within(outer, "html_url")))
    });
    let (what, url) = subject.unwrap_or_else(|| (String::new(), within("repository", "html_url")));
    let parts = [within("repository", "full_name"), kind.replace('.', " "), what];
    let title = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let end = title.floor_char_boundary(PluginEvent::LONGEST_TITLE);
    PluginEvent { event_id: signature, kind, title: title[..end].to_owned(), url, ..PluginEvent::default() }
}

fn unix_ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_tells_becomes_one_line() {
        let body = Body::of(json!({
            "action": "opened",
            "issue": { "title": "It rains in", "html_url": "https://github.example/acme/house/issues/7" },
            "repository": { "full_name": "acme/house", "html_url": "https://github.example/acme/house" },
        }));
        let event = github("sha256=ab".into(), "issues", &body.object().unwrap());
        assert_eq!(
            (event.kind.as_str(), event.title.as_str()),
            ("issues.opened", "acme/house: issues opened: It rains in")
        );
        assert_eq!(event.url, "https://github.example/acme/house/issues/7");
        let odd = Body::of(json!({ "action": 7, "issue": [], "repository": { "full_name": {} } }));
        let event = github("sha256=ab".into(), "ping", &odd.object().unwrap());
        assert_eq!((event.kind.as_str(), event.title.as_str(), event.url.as_str()), ("ping", "ping", ""));
    }
}
