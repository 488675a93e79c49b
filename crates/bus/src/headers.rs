//! The headers, and the pure translation between them and typed values. Nothing here trusts what it reads.

use std::str::FromStr;
use std::time::Duration;

use aether_proto::{AgentId, RequestId, SessionId, TenantId, subject};
use async_nats::{HeaderMap, HeaderName};

use crate::context::Context;

pub(crate) const FRAME: HeaderName = HeaderName::from_static("Aether-Frame");
pub(crate) const SEQUENCE: HeaderName = HeaderName::from_static("Aether-Sequence");
pub(crate) const TENANT: HeaderName = HeaderName::from_static("Aether-Tenant");
pub(crate) const AGENT: HeaderName = HeaderName::from_static("Aether-Agent");
pub(crate) const SESSION: HeaderName = HeaderName::from_static("Aether-Session");
pub(crate) const REQUEST: HeaderName = HeaderName::from_static("Aether-Request");
/// Time remaining, in milliseconds.
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("Aether-Deadline-Ms");
/// In `open`: how many frames of output the caller has room for.
pub(crate) const CREDIT: HeaderName = HeaderName::from_static("Aether-Credit");
/// In `open`: how often each side shows that it is alive.
pub(crate) const KEEPALIVE: HeaderName = HeaderName::from_static("Aether-Keepalive-Ms");
/// In `open`, with the value `input`: the caller will send audio, so the worker's inbox belongs under `audio.` too.
pub(crate) const AUDIO: HeaderName = HeaderName::from_static("Aether-Audio");
pub(crate) const SAMPLE_RATE: HeaderName = HeaderName::from_static("Aether-Sample-Rate-Hz");
pub(crate) const CHANNELS: HeaderName = HeaderName::from_static("Aether-Channels");
pub(crate) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// The two headers by which NATS micro tools recognise an error reply.
pub(crate) const SERVICE_ERROR: HeaderName = HeaderName::from_static("Nats-Service-Error");
pub(crate) const SERVICE_ERROR_CODE: HeaderName = HeaderName::from_static("Nats-Service-Error-Code");

/// What is wrong with a message's headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the header {name} is missing")]
    Missing { name: &'static str },
    #[error("the header {name} is not {expected}")]
    Malformed { name: &'static str, expected: &'static str },
}

/// Names are escaped as in subjects: a header value has no line breaks, no outer spaces and only ASCII.
pub(crate) fn write_context(headers: &mut HeaderMap, context: &Context) {
    headers.insert(TENANT, subject::escape(context.tenant.as_str()));
    headers.insert(AGENT, subject::escape(context.agent.as_str()));
    headers.insert(REQUEST, context.request.to_string());
    if let Some(session) = context.session {
        headers.insert(SESSION, session.to_string());
    }
    if let Some(remaining) = context.deadline() {
        headers.insert(DEADLINE, remaining.as_millis().to_string());
    }
}

pub(crate) fn read_context(headers: &HeaderMap) -> Result<Context, HeaderError> {
    let tenant = required(headers, TENANT, "Aether-Tenant", "a tenant id", name::<TenantId>)?;
    let agent = required(headers, AGENT, "Aether-Agent", "an agent id", name::<AgentId>)?;
    let request = required(headers, REQUEST, "Aether-Request", "a UUID", parse::<RequestId>)?;
    let session = optional(headers, SESSION, "Aether-Session", "a UUID", parse::<SessionId>)?;
    let deadline = optional_duration(headers, DEADLINE, "Aether-Deadline-Ms")?;

    let mut context = Context::new(tenant, agent).with_request(request);
    context.session = session;
    Ok(match deadline {
        Some(limit) => context.with_deadline(limit),
        None => context,
    })
}

pub(crate) fn optional_duration(
    headers: &HeaderMap,
    header: HeaderName,
    name: &'static str,
) -> Result<Option<Duration>, HeaderError> {
    // A year is for ever on the bus, and adding it to a clock can't overflow.
    const LONGEST_MS: u64 = 365 * 24 * 3600 * 1000;
    let ms = optional(headers, header, name, "a number of milliseconds", parse::<u64>)?;
    Ok(ms.map(|ms| Duration::from_millis(ms.min(LONGEST_MS))))
}

pub(crate) fn required<T>(
    headers: &HeaderMap,
    header: HeaderName,
    name: &'static str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, HeaderError> {
    optional(headers, header, name, expected, read)?.ok_or(HeaderError::Missing { name })
}

pub(crate) fn optional<T>(
    headers: &HeaderMap,
    header: HeaderName,
    name: &'static str,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, HeaderError> {
    match headers.get(header) {
        None => Ok(None),
        Some(value) => read(value.as_str()).map(Some).ok_or(HeaderError::Malformed { name, expected }),
    }
}

pub(crate) fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn name<T: FromStr>(text: &str) -> Option<T> {
    subject::unescape(text)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_context_survives_its_headers(tenant in "\\PC{1,30}", agent in "\\PC{1,30}", ms in proptest::option::of(1_000u64..1_000_000_000)) {
            let mut context = Context::new(TenantId::new(tenant).unwrap(), AgentId::new(agent).unwrap());
            if let Some(ms) = ms {
                context = context.with_deadline(Duration::from_millis(ms)).with_session(SessionId::generate());
            }
            let mut headers = HeaderMap::new();
            write_context(&mut headers, &context);
            let back = read_context(&headers).unwrap();
            prop_assert_eq!(&back.tenant, &context.tenant);
            prop_assert_eq!(&back.agent, &context.agent);
            prop_assert_eq!(back.session, context.session);
            prop_assert_eq!(back.request, context.request);
            prop_assert_eq!(back.deadline().is_some(), ms.is_some());
            prop_assert!(back.deadline() <= context.deadline().map(|left| left + Duration::from_secs(1)));
        }

        #[test]
        fn rubbish_is_refused_and_never_panics(
            tenant in "[^\r\n]{0,20}", request in "[^\r\n]{0,40}", deadline in "[^\r\n]{0,25}", session in "[^\r\n]{0,40}"
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(TENANT, tenant.as_str());
            headers.insert(AGENT, "agent");
            headers.insert(REQUEST, request.as_str());
            headers.insert(DEADLINE, deadline.as_str());
            headers.insert(SESSION, session.as_str());
            let read = read_context(&headers);
            prop_assert!(read.is_err(), "random text is not a UUID");
        }

        #[test]
        fn no_deadline_is_too_long_to_hold(ms in any::<u64>()) {
            let mut headers = HeaderMap::new();
            headers.insert(DEADLINE, ms.to_string());
            let limit = optional_duration(&headers, DEADLINE, "Aether-Deadline-Ms").unwrap();
            prop_assert!(limit.is_some_and(|limit| limit <= Duration::from_secs(365 * 24 * 3600)));
        }
    }

    #[test]
    fn a_missing_header_is_named() {
        assert_eq!(read_context(&HeaderMap::new()).unwrap_err(), HeaderError::Missing { name: "Aether-Tenant" });
    }
}
