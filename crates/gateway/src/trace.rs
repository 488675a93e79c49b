//! Each request is one span, in its caller's trace if it names one: what is logged on its behalf carries whom it concerns. How long
//! it took to answer leads to it.

use std::fmt::Display;
use std::time::Instant;

use aether_telemetry::{metric, span_from_remote};
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span, info_span};

/// Puts a request and all that answers it into a span, and measures how long it takes until the answer begins.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let span = info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.route = route.as_str(),
        http.response.status_code = Empty,
        tenant = Empty,
        room = Empty,
        session = Empty,
        turn = Empty,
        notification = Empty,
    );
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let span = span_from_remote(span, traceparent);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let status = class(response.status());
    span.in_scope(|| {
        metrics::histogram!(metric::HTTP_REQUEST_DURATION, "http_route" => route, "status" => status)
            .record(began.elapsed());
    });
    response
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

/// Says of the request that is being answered what it is about: one of the fields above.
pub(crate) fn concerns(field: &'static str, value: impl Display) {
    Span::current().record(field, display(value));
}
