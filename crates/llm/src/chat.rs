//! What is asked and what comes back, the same in both dialects.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whose words a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// One question to the model. Everything but the messages has a default.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    pub messages: Vec<Message>,
    /// The answer is cut here, by the server or, when it does not, by us.
    pub max_tokens: NonZeroU32,
    /// `None` leaves it to the server.
    pub temperature: Option<f32>,
    pub seed: Option<u64>,
    /// The answer ends before any of these texts.
    pub stop: Vec<String>,
    /// Which of llama.cpp's slots to use. Other servers may refuse a request that names one.
    pub slot: Option<u32>,
    /// Shorter than [`crate::Deadlines::first_token`] for a caller who has less time.
    pub first_token: Option<Duration>,
    /// Shorter than [`crate::Deadlines::total`], likewise.
    pub total: Option<Duration>,
}

impl ChatRequest {
    /// Enough for a long spoken answer.
    pub const DEFAULT_MAX_TOKENS: NonZeroU32 = NonZeroU32::new(512).unwrap();

    pub fn new(messages: Vec<Message>) -> Self {
        Self {
            messages,
            max_tokens: Self::DEFAULT_MAX_TOKENS,
            temperature: None,
            seed: None,
            stop: Vec::new(),
            slot: None,
            first_token: None,
            total: None,
        }
    }
}

/// One step of an answer. `Done` comes last and exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    Text(String),
    /// What a reasoning model says to itself: a sign of life, not part of the answer.
    Thinking(String),
    Usage(Usage),
    Done(FinishReason),
}

/// What an answer cost. Servers that don't count report nothing at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The model's name as the server gives it.
    pub model: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    /// How many of the input tokens the server had in its cache, where it says so.
    pub cached_input_tokens: Option<u32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model had said all.
    Stop,
    /// Cut at the token limit or the total deadline.
    Length,
}

impl FinishReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }

    /// From either dialect's word; a word that we don't know is an end like any other.
    pub(crate) fn from_wire(word: &str) -> Self {
        match word {
            "length" | "max_tokens" => Self::Length,
            _ => Self::Stop,
        }
    }
}
