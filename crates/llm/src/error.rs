//! What can go wrong between a question and the end of its answer.

use std::time::Duration;

use crate::ParseError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("LLM_ENDPOINT must be an http or https address, not {endpoint}")]
    Endpoint { endpoint: String },
    #[error("the HTTP client could not be built")]
    Build(#[source] reqwest::Error),
    #[error("the language model failed repeatedly; it is asked again in {} s", retry_after.as_secs().max(1))]
    CircuitOpen { retry_after: Duration },
    #[error("the language model at {endpoint} can't be reached; start it or correct LLM_ENDPOINT")]
    Connect {
        endpoint: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the language model is not ready (HTTP {status}): {message}")]
    NotReady { status: u16, message: String },
    #[error("the language model refused the request (HTTP {status}): {message}")]
    Refused { status: u16, message: String },
    #[error("the language model gave no first token within {} ms", limit.as_millis())]
    FirstToken { limit: Duration },
    #[error("the language model stopped in mid-answer for {} ms", limit.as_millis())]
    Idle { limit: Duration },
    #[error("the language model did not answer within {} ms", limit.as_millis())]
    Total { limit: Duration },
    #[error("the connection to the language model broke")]
    Connection(#[source] reqwest::Error),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the request was cancelled")]
    Cancelled,
}

impl Error {
    /// A short name for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } | Self::Build(_) => "configuration",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Connect { .. } | Self::Connection(_) => "connection",
            Self::NotReady { .. } => "not_ready",
            Self::Refused { .. } => "refused",
            Self::FirstToken { .. } | Self::Idle { .. } | Self::Total { .. } => "timeout",
            Self::Parse(_) => "unreadable",
            Self::Cancelled => "cancelled",
        }
    }

    /// What the server says is wrong with what it was asked, as opposed to who asked it or for which model.
    pub fn fault_of_the_request(&self) -> Option<&str> {
        match self {
            Self::Refused { status: 400 | 413 | 422, message } => Some(message),
            _ => None,
        }
    }

    /// The server took too long, as opposed to failing.
    pub const fn is_deadline(&self) -> bool {
        matches!(self, Self::FirstToken { .. } | Self::Idle { .. } | Self::Total { .. })
    }

    /// Asking again may help, if nothing of an answer has been seen yet.
    pub(crate) const fn is_worth_repeating(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::NotReady { .. } | Self::Connection(_) | Self::Parse(ParseError::Truncated)
        )
    }

    /// Says something about the server's health, and not only about this request.
    pub(crate) const fn is_failure_of_the_server(&self) -> bool {
        !matches!(
            self,
            Self::Endpoint { .. } | Self::Build(_) | Self::CircuitOpen { .. } | Self::Refused { .. } | Self::Cancelled
        )
    }
}
