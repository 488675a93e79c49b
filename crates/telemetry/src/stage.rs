//! Spans of what is over: where the time of a turn went is known only at its end.

use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, Tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::init::tracer;
use crate::trace_context::extract;

/// A stretch of time within a span, and the stretches that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// As a trace shows it.
    pub name: &'static str,
    pub began: SystemTime,
    pub ended: SystemTime,
    pub parts: Vec<Stage>,
}

impl Stage {
    /// Adds it to the trace, under `parent`, which must not have been closed. Nothing happens where no traces are made.
    pub fn record(&self, parent: &Span) {
        if let Some(tracer) = tracer() {
            self.record_under(&parent.context(), tracer);
        }
    }

    fn record_under<T>(&self, parent: &Context, tracer: &T)
    where
        T: Tracer,
        T::Span: Send + Sync + 'static,
    {
        let span = tracer.span_builder(self.name).with_start_time(self.began).start_with_context(tracer, parent);
        let context = parent.with_span(span);
        for part in &self.parts {
            part.record_under(&context, tracer);
        }
        context.span().end_with_timestamp(self.ended);
    }
}

/// Which span that was, when it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced(SpanContext);

impl Traced {
    pub fn of(span: &Span) -> Self {
        Self(span.context().span().span_context().clone())
    }

    /// As W3C trace context names it; `None` if that is malformed, or its trace is not kept.
    pub fn named(traceparent: &str) -> Option<Self> {
        let span = extract(Some(traceparent)).span().span_context().clone();
        span.is_sampled().then_some(Self(span))
    }

    /// Says in the trace of `span` that it goes on from there.
    pub fn link_from(self, span: &Span) {
        span.add_link(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_span_of_a_trace_that_is_kept_can_be_linked_to() {
        let kept = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(Traced::named(kept).is_some());
        for other in [&kept.replace("-01", "-00"), &kept.replace("b7ad", "huhu"), "", "rubbish"] {
            assert_eq!(Traced::named(other), None, "{other:?}");
        }
    }
}
