//! Where the language model is and how long to wait for it.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::{Backoff, Dialect, Policy};

/// How long each part of an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub connect: Duration,
    /// From the request to the first token, repeats included.
    pub first_token: Duration,
    /// Between two tokens.
    pub idle: Duration,
    /// An answer that is still going on is cut here.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            // A cold prompt of a thousand tokens takes this long on two cores.
            first_token: Duration::from_secs(15),
            idle: Duration::from_secs(5),
            total: Duration::from_secs(60),
        }
    }
}

/// What a [`crate::Client`] needs to know.
#[derive(Clone)]
pub struct Options {
    pub endpoint: Url,
    pub dialect: Dialect,
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Asked of Ollama, which otherwise cuts long prompts to its own default.
    pub context_tokens: Option<u32>,
    pub deadlines: Deadlines,
    pub backoff: Backoff,
    pub breaker: Policy,
}

impl Options {
    pub fn new(endpoint: Url, dialect: Dialect, model: impl Into<String>) -> Self {
        Self {
            endpoint,
            dialect,
            model: model.into(),
            api_key: None,
            context_tokens: None,
            deadlines: Deadlines::default(),
            backoff: Backoff::default(),
            breaker: Policy::default(),
        }
    }

    /// The endpoint for messages: without path, user and password.
    pub(crate) fn endpoint_label(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint_label())
            .field("dialect", &self.dialect)
            .field("model", &self.model)
            .field("api_key", &self.api_key.as_ref().map(|_| "***"))
            .field("context_tokens", &self.context_tokens)
            .field("deadlines", &self.deadlines)
            .field("backoff", &self.backoff)
            .field("breaker", &self.breaker)
            .finish()
    }
}
