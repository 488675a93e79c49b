//! What is measured of every answer, under the labels that `aether_telemetry::metric` documents, and what its span says, by
//! OpenTelemetry's GenAI conventions. Neither holds words.

use std::time::Duration;

use aether_telemetry::attribute;
use aether_telemetry::metric::{OPERATION_DURATION, TIME_TO_FIRST_TOKEN, TOKEN_USAGE};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::{ChatRequest, Error, FinishReason, Options, Usage};

const OPERATION: &str = "gen_ai_operation_name";
const MODEL: &str = "gen_ai_request_model";

/// Around one question, with its repeats.
pub fn span(options: &Options, request: &ChatRequest) -> Span {
    let model = request.model.as_ref().unwrap_or(&options.model);
    info_span!(
        "chat",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = options.dialect.as_str(),
        gen_ai.request.model = model,
        gen_ai.request.max_tokens = i64::from(request.max_tokens.get()),
        gen_ai.request.temperature = request.temperature.map(f64::from),
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        server.address = options.endpoint.host_str(),
        server.port = options.endpoint.port_or_known_default().map(i64::from),
    )
}

pub fn first_token(model: &str, after: Duration) {
    metrics::histogram!(TIME_TO_FIRST_TOKEN, OPERATION => "chat", MODEL => model.to_owned()).record(after);
}

pub fn tokens(model: &str, usage: &Usage) {
    for (kind, count) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
        metrics::histogram!(TOKEN_USAGE, "gen_ai_token_type" => kind, MODEL => model.to_owned()).record(count);
    }
    let span = Span::current();
    // Unsigned numbers would become texts.
    span.record("gen_ai.usage.input_tokens", i64::from(usage.input_tokens));
    span.record("gen_ai.usage.output_tokens", i64::from(usage.output_tokens));
}

pub fn finished(reason: FinishReason) {
    attribute::list("gen_ai.response.finish_reasons", [reason.as_str()]);
}

pub fn ended(model: &str, after: Duration, outcome: &Result<(), Error>) {
    let model = model.to_owned();
    match outcome {
        Ok(()) => metrics::histogram!(OPERATION_DURATION, OPERATION => "chat", MODEL => model).record(after),
        // The caller changed their mind: no operation to speak of.
        Err(Error::Cancelled) => {}
        Err(error) => {
            let (span, kind) = (Span::current(), error.kind());
            span.record("otel.status_code", "ERROR");
            span.record("error.type", kind);
            metrics::histogram!(OPERATION_DURATION, OPERATION => "chat", MODEL => model, "error_type" => kind)
                .record(after);
        }
    }
}
