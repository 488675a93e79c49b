//! The trace that a message belongs to, in and out of its headers.

use async_nats::HeaderMap;
use tracing::Span;

use crate::headers::TRACE_PARENT;

pub(crate) fn write(headers: &mut HeaderMap) {
    if let Some(traceparent) = aether_telemetry::traceparent() {
        headers.insert(TRACE_PARENT, traceparent);
    }
}

/// The same; what is done with the message does not appear in the trace.
pub(crate) fn write_unkept(headers: &mut HeaderMap) {
    if let Some(traceparent) = aether_telemetry::unkept_traceparent() {
        headers.insert(TRACE_PARENT, traceparent);
    }
}

/// `span` as a child of the span in which the message was sent. What was sent outside of any, such as a look whether somebody is
/// there, is asked many times a minute: in the list of traces it would hide the others.
pub(crate) fn continue_in(span: Span, headers: &HeaderMap) -> Span {
    let traceparent = headers.get(TRACE_PARENT).map(|value| value.as_str());
    aether_telemetry::span_from_caller(span, traceparent)
}
