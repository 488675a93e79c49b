//! What is asked and what comes back, the same in both dialects.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use crate::{ToolCall, ToolCallPiece, ToolChoice, ToolSpec};

/// Whose words a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    System,
    User,
    Assistant,
    /// What a function returned.
    Tool,
}

impl Role {
    /// The same in both dialects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A picture that a person shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Such as `image/png`.
    pub media_type: String,
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {} bytes)", self.media_type, self.data.len())
    }
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
    /// Of an assistant: what it asked for.
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool: which of these it answers.
    pub tool_call_id: Option<String>,
    /// Of a user, for models that can see.
    pub images: Vec<Image>,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, images: Vec::new() }
    }

    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// What an assistant asked for.
    pub fn asking(tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(Role::Assistant, "") }
    }

    /// What the call with this id returned.
    pub fn returned(call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call_id.into()), ..Self::new(Role::Tool, content) }
    }
}

/// One question to the model. Everything but the messages has a default.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    pub messages: Vec<Message>,
    /// Another one than [`crate::Options::model`], of the same server.
    pub model: Option<String>,
    /// Functions that the model may ask for. With any, its text is searched for calls: small models write them there.
    pub tools: Vec<ToolSpec>,
    pub tool_choice: ToolChoice,
    /// JSON Schema of the answer. A wish: not every server can keep it, so what comes is still to be read with care.
    pub response_schema: Option<Value>,
    /// The answer is cut here, by the server or, when it does not, by us.
    pub max_tokens: NonZeroU32,
    /// `None` leaves it to the server.
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
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
            model: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            response_schema: None,
            max_tokens: Self::DEFAULT_MAX_TOKENS,
            temperature: None,
            top_p: None,
            seed: None,
            stop: Vec::new(),
            slot: None,
            first_token: None,
            total: None,
        }
    }

    /// The functions that the server is told of. Not every server knows every choice, so what may not be asked for is not
    /// offered, and one that is named is offered alone.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter().filter(|tool| match &self.tool_choice {
            ToolChoice::Auto | ToolChoice::Required => true,
            ToolChoice::None => false,
            ToolChoice::Named(name) => *name == tool.name,
        })
    }
}

/// One step of an answer. `Done` comes last and exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    Text(String),
    /// What a reasoning model says to itself: a sign of life, not part of the answer.
    Thinking(String),
    ToolCall(ToolCallPiece),
    /// This looked like a call and can't be read as one.
    MalformedCall(String),
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
    /// The model waits for what it asked for.
    ToolCalls,
}

impl FinishReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }

    /// From either dialect's word; a word that we don't know is an end like any other.
    pub(crate) fn from_wire(word: &str) -> Self {
        match word {
            "length" | "max_tokens" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            _ => Self::Stop,
        }
    }
}
