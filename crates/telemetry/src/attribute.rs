//! What a span says that `tracing` has no field for.

use opentelemetry::{Array, StringValue, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// An attribute of the current span that is a list of texts.
pub fn list(name: &'static str, texts: impl IntoIterator<Item = &'static str>) {
    let texts = texts.into_iter().map(StringValue::from).collect();
    Span::current().set_attribute(name, Value::Array(Array::String(texts)));
}
