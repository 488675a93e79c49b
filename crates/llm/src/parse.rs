//! What can be wrong with the bytes of an answer.

use crate::lines::{MAX_LINE_LENGTH, TooLong};

/// Why bytes are not an answer. Says where and how, never quotes what the model said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("a line of the answer is longer than {MAX_LINE_LENGTH} bytes")]
    LineTooLong,
    #[error("line {line} of the answer is not a server-sent event; check that LLM_DIALECT fits the server")]
    NotAnEvent { line: u64 },
    #[error("line {line} of the answer is {problem} at column {column}; check that LLM_DIALECT fits the server")]
    NotJson { line: u64, column: usize, problem: &'static str },
    #[error("the language model reported an error in mid-answer: {message}")]
    Reported { message: String },
    #[error("the answer broke off before its end")]
    Truncated,
}

impl From<TooLong> for ParseError {
    fn from(_: TooLong) -> Self {
        Self::LineTooLong
    }
}

impl ParseError {
    /// `serde_json`'s own message may quote the text it choked on, so only its kind and place are kept.
    pub(crate) fn not_json(line: u64, error: &serde_json::Error) -> Self {
        let problem = match error.classify() {
            serde_json::error::Category::Data => "JSON of an unexpected shape",
            serde_json::error::Category::Eof => "JSON that breaks off",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
        };
        Self::NotJson { line, column: error.column(), problem }
    }

    pub(crate) fn reported(error: &serde_json::Value) -> Self {
        Self::Reported { message: reported_message(error) }
    }
}

/// The message in an error object of either dialect (`"…"`, `{"message": "…"}`), cut to one printable line.
pub(crate) fn reported_message(error: &serde_json::Value) -> String {
    const LIMIT: usize = 300;
    let text = error.as_str().or_else(|| error.get("message")?.as_str()).unwrap_or("no message given");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LIMIT).collect()
}
