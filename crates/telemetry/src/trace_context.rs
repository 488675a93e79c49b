//! A trace that goes on in another process: W3C trace context, as the header `traceparent`.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// What names the current span elsewhere. Outside of any span there is nothing to name.
pub fn traceparent() -> Option<String> {
    struct Header(Option<String>);
    impl Injector for Header {
        fn set(&mut self, key: &str, value: String) {
            // `tracestate` belongs to vendors; nothing of ours reads it.
            if key == TRACEPARENT {
                self.0 = Some(value);
            }
        }
    }
    let mut header = Header(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut header);
    header.0
}

/// The same, for work that is part of the trace and not worth showing in it: its log lines have the trace's id, and it is not
/// exported.
pub fn unkept_traceparent() -> Option<String> {
    // The flags are the last two digits.
    traceparent().map(|named| format!("{}00", &named[..named.len() - 2]))
}

/// The caller's trace. A missing or malformed header gives an empty context: a trace is never a reason to refuse work.
pub(crate) fn extract(traceparent: Option<&str>) -> Context {
    struct Header<'a>(Option<&'a str>);
    impl Extractor for Header<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.filter(|_| key == TRACEPARENT)
        }
        fn keys(&self) -> Vec<&str> {
            self.0.map(|_| TRACEPARENT).into_iter().collect()
        }
    }
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(traceparent))
}

/// `span` as a child of the caller's span. `span` must be new: once entered, its trace is decided.
pub fn span_from_remote(span: Span, traceparent: Option<&str>) -> Span {
    let parent = extract(traceparent);
    if parent.span().span_context().is_valid() {
        // Fails only where no traces are kept, or for a span that is filtered out.
        let _ = span.set_parent(parent);
    }
    span
}

/// The same, for work that begins no trace worth keeping: where the caller names none, its log lines have an id and it is not
/// exported.
pub fn span_from_caller(span: Span, traceparent: Option<&str>) -> Span {
    let caller = extract(traceparent);
    let parent = if caller.span().span_context().is_valid() { caller } else { unkept() };
    let _ = span.set_parent(parent);
    span
}

fn unkept() -> Context {
    let ids = RandomIdGenerator::default();
    let (trace, span) = (ids.new_trace_id(), ids.new_span_id());
    let context = SpanContext::new(trace, span, TraceFlags::NOT_SAMPLED, true, TraceState::NONE);
    Context::new().with_remote_span_context(context)
}

/// Id of the trace that the current span belongs to: 32 hexadecimal digits.
pub fn current_trace_id() -> Option<String> {
    trace_id(&Span::current().context())
}

/// The same, where that trace is kept.
pub(crate) fn current_sampled_trace_id() -> Option<String> {
    let context = Span::current().context();
    trace_id(&context).filter(|_| context.span().span_context().is_sampled())
}

pub(crate) fn trace_id(context: &Context) -> Option<String> {
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}
