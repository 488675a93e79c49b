//! What a caller is told when something is wrong: an HTTP status and OpenAI's error object, made in one place.

use std::fmt;

use aether_proto::ErrorCode;
use aether_telemetry::with_causes;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The reason a request is not done. `?` makes one of every error of the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    code: ErrorCode,
    /// The code that is shown, where clients know a better one than ours.
    shown_code: &'static str,
    message: String,
    /// The field of the request that is wrong.
    param: Option<String>,
    retry_after_ms: u32,
    /// Where HTTP has a status that the table of errors has not.
    status: Option<StatusCode>,
}

/// OpenAI's error object.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject {
    error: ErrorBody,
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    message: String,
    r#type: &'static str,
    param: Option<String>,
    code: &'static str,
}

impl Problem {
    /// `message` is for a person: what is wrong and what to do. Never a secret.
    pub fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        let shown_code = match code {
            ErrorCode::Unauthenticated => "invalid_api_key",
            ErrorCode::PermissionDenied => "insufficient_scope",
            _ => code.as_str(),
        };
        Self { code, shown_code, message: message.to_string(), param: None, retry_after_ms: 0, status: None }
    }

    /// A field of the request is not what it should be.
    pub fn field(param: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument, message).at(param)
    }

    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The path is right and the method is not.
    pub fn wrong_method(message: impl fmt::Display) -> Self {
        let status = Some(StatusCode::METHOD_NOT_ALLOWED);
        Self { status, ..Self::new(ErrorCode::InvalidArgument, message).shown_as("method_not_allowed") }
    }

    /// The same, naming the field that caused it.
    #[must_use]
    pub fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The same; where nobody has named a field yet, this one.
    #[must_use]
    pub fn at_least_at(self, param: &str) -> Self {
        if self.param.is_some() { self } else { self.at(param) }
    }

    /// The same, under a code that clients look for.
    #[must_use]
    pub fn shown_as(self, shown_code: &'static str) -> Self {
        Self { shown_code, ..self }
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn status(&self) -> StatusCode {
        let listed = || StatusCode::from_u16(self.code.http_status());
        self.status.map_or_else(listed, Ok).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is sent where the status has gone already.
    pub fn object(self) -> ErrorObject {
        let kind = match self.code {
            ErrorCode::Unauthenticated => "authentication_error",
            ErrorCode::PermissionDenied => "permission_error",
            ErrorCode::Overloaded => "rate_limit_error",
            code if code.http_status() < 500 => "invalid_request_error",
            _ => "server_error",
        };
        ErrorObject {
            error: ErrorBody { message: self.message, r#type: kind, param: self.param, code: self.shown_code },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.shown_code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after_ms) = (self.status(), self.retry_after_ms);
        if status.is_server_error() {
            tracing::warn!(code = self.shown_code, reason = self.message, "a request was not done");
        }
        let mut response = (status, Json(self.object())).into_response();
        if retry_after_ms > 0 {
            let seconds = HeaderValue::from(retry_after_ms.div_ceil(1000));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<aether_proto::Error> for Problem {
    fn from(error: aether_proto::Error) -> Self {
        let code = error.error_code();
        let param = Some(error.field).filter(|field| !field.is_empty());
        Self { param, retry_after_ms: error.retry_after_ms, ..Self::new(code, error.message) }
    }
}

impl From<aether_bus::Error> for Problem {
    fn from(error: aether_bus::Error) -> Self {
        match error {
            aether_bus::Error::Remote(error) => error.into(),
            // Whoever it was that broke a rule on the bus, it was not the caller.
            aether_bus::Error::TooLarge { .. } => {
                Self::new(ErrorCode::TooLarge, "the request is larger than the bus takes")
            }
            error if error.code().http_status() < 500 && !matches!(error, aether_bus::Error::Overflow { .. }) => {
                Self::new(ErrorCode::Internal, error)
            }
            error => Self::new(error.code(), error),
        }
    }
}

impl From<aether_store::Error> for Problem {
    fn from(error: aether_store::Error) -> Self {
        // What the database itself says stays here.
        tracing::warn!(error = with_causes(&error), "the database did not do what was asked");
        Self::new(error.code(), error)
    }
}

impl From<aether_store::RoomsError> for Problem {
    fn from(error: aether_store::RoomsError) -> Self {
        tracing::warn!(error = with_causes(&error), "redis did not do what was asked");
        Self::new(ErrorCode::Unavailable, "what happens in rooms is not known right now: redis does not answer")
    }
}

impl From<aether_livekit::AdminError> for Problem {
    fn from(error: aether_livekit::AdminError) -> Self {
        tracing::warn!(error = with_causes(&error), "LiveKit did not do what was asked");
        Self::new(ErrorCode::Unavailable, "LiveKit did not do what was asked: see whether it runs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_openais_error_object() {
        let problem = Problem::field("messages[2].content", "must be a text");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        let json = serde_json::to_string(&problem.object()).unwrap();
        assert_eq!(
            json,
            r#"{"error":{"message":"must be a text","type":"invalid_request_error","param":"messages[2].content","code":"invalid_argument"}}"#
        );
    }

    #[test]
    fn what_goes_wrong_between_the_parts_is_never_the_callers_fault() {
        let unreadable = aether_bus::Error::Decode { subject: "x".into(), reason: "y".into() };
        let unwritable = aether_bus::Error::Encode { subject: "x".into(), reason: "y".into() };
        for error in [unreadable, unwritable] {
            assert_eq!(Problem::from(error).status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        let busy = aether_proto::Error { retry_after_ms: 1200, ..ErrorCode::Overloaded.error("busy") };
        let response = Problem::from(aether_bus::Error::Remote(busy)).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
