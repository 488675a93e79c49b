//! One thin HTTP client for language models that speak either of two dialects: Ollama's own (`/api/chat`, one JSON object
//! a line) and the OpenAI-compatible one (`/v1/chat/completions`, server-sent events) of llama.cpp, vLLM and many others.
//!
//! The bytes are understood by pure parsers ([`ollama::Parser`], [`openai::Parser`]) that are fed chunks as the network
//! cuts them; calls of functions that small models write into their text are found by another ([`CallFinder`]); whether to ask at all is decided by a pure [`CircuitBreaker`]. [`Client`] is the shell around them: it
//! holds the deadlines, repeats a request only while nothing of its answer has been seen, and aborts the HTTP request when
//! the [`Completion`] is dropped, so that the server stops generating.
//!
//! It never builds prompts, never keeps a conversation and never logs what was said. Start reading at [`Client::chat`].

mod breaker;
mod call_finder;
mod chat;
mod client;
mod completion;
mod dialect;
mod error;
mod lines;
mod measure;
pub mod ollama;
pub mod openai;
mod options;
mod parse;
mod reading;
mod retry;
mod sentence;
mod tool;

pub use breaker::{CircuitBreaker, Outcome, Permit, Policy};
pub use call_finder::{CallFinder, Found};
pub use chat::{ChatRequest, Delta, FinishReason, Image, Message, Role, Usage};
pub use client::Client;
pub use completion::Completion;
pub use dialect::{Dialect, Parser, UnknownDialect};
pub use error::Error;
pub use options::{Deadlines, Options};
pub use parse::ParseError;
pub use retry::Backoff;
pub use tool::{ToolCall, ToolCallPiece, ToolCalls, ToolChoice, ToolSpec};
