//! The one table of errors: bus code ↔ HTTP status ↔ what the person hears.

use std::fmt;

use crate::Error;

/// A failure as every edge understands it. Add a row here and the compiler asks for its HTTP status and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request itself is wrong; repeating it won't help.
    InvalidArgument,
    /// It is larger than what is taken.
    TooLarge,
    /// Nobody knows the key or token that came with it.
    Unauthenticated,
    PermissionDenied,
    NotFound,
    /// Not now: somebody else has the floor, or it is there already.
    Conflict,
    /// The worker holds as many calls as it may; ask again after `retry_after_ms`.
    Overloaded,
    /// A part that is needed is away.
    Unavailable,
    LlmUnavailable,
    TtsUnavailable,
    SttUnavailable,
    StoreUnavailable,
    DeadlineExceeded,
    /// A frame is missing or came twice, or a peer broke the call's rules.
    Protocol,
    Internal,
}

impl ErrorCode {
    pub const ALL: [Self; 15] = [
        Self::InvalidArgument,
        Self::TooLarge,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::Overloaded,
        Self::Unavailable,
        Self::LlmUnavailable,
        Self::TtsUnavailable,
        Self::SttUnavailable,
        Self::StoreUnavailable,
        Self::DeadlineExceeded,
        Self::Protocol,
        Self::Internal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::TooLarge => "too_large",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::LlmUnavailable => "llm_unavailable",
            Self::TtsUnavailable => "tts_unavailable",
            Self::SttUnavailable => "stt_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
        }
    }

    /// The code behind a text; an unknown one, from a newer peer, reads as [`ErrorCode::Internal`].
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.as_str() == code).unwrap_or(Self::Internal)
    }

    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::TooLarge => 413,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Overloaded => 429,
            Self::Unavailable
            | Self::LlmUnavailable
            | Self::TtsUnavailable
            | Self::SttUnavailable
            | Self::StoreUnavailable => 503,
            Self::DeadlineExceeded => 504,
            Self::Protocol | Self::Internal => 500,
        }
    }

    /// What the agent says when a turn fails this way.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::LlmUnavailable | Self::DeadlineExceeded => {
                "Sorry, I can't think right now. My language model is not answering. Please try again in a moment."
            }
            Self::Overloaded => "Sorry, I am busy with other people right now. Please try again in a moment.",
            Self::SttUnavailable => "Sorry, I can't hear you right now. You can still type to me.",
            _ => "Sorry, something went wrong on my side. Please try again.",
        }
    }

    /// An [`Error`] with this code. `message` is for a person: what happened and what to do; never a secret.
    pub fn error(self, message: impl fmt::Display) -> Error {
        Error { code: self.as_str().to_owned(), message: message.to_string(), ..Error::default() }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::from_code(&self.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.as_str()), code);
            assert_eq!(code.error("x").error_code(), code);
        }
        assert_eq!(ErrorCode::from_code("from_the_future"), ErrorCode::Internal);
    }
}
