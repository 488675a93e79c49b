//! Why a request, a call or an event did not come through.

use std::time::Duration;

use aether_proto::ErrorCode;

use crate::headers::HeaderError;

/// Cheap to clone, because a call that failed goes on saying why for as long as it is asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The other side answered, and its answer is an error.
    #[error(transparent)]
    Remote(#[from] aether_proto::Error),
    #[error("the call was cancelled: {reason}")]
    Cancelled { reason: String },
    #[error("nobody answers {subject}: start the service that does")]
    NoWorker { subject: String },
    #[error("no connection to NATS: it is tried again by itself")]
    Disconnected,
    #[error("{what} did not come within {limit:?}")]
    TimedOut { what: &'static str, limit: Duration },
    /// Two keepalives in a row did not come.
    #[error("the other side of the call is gone: nothing heard for {silence:?}")]
    PeerLost { silence: Duration },
    #[error("expected frame {expected} and got frame {got}: a frame was lost or came twice")]
    Gap { expected: u64, got: u64 },
    #[error("the other side broke the rules of a call: {0}")]
    Protocol(String),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the message on {subject} can't be read: {reason}")]
    Decode { subject: String, reason: String },
    #[error("the message for {subject} can't be written: {reason}")]
    Encode { subject: String, reason: String },
    #[error("the message for {subject} is larger than the {limit} bytes that NATS takes: split it")]
    TooLarge { subject: String, limit: usize },
    /// At least this many events did not fit into the subscription's queue.
    #[error("at least {lost} events on {subject} were lost because they were not read quickly enough")]
    Overflow { subject: String, lost: u64 },
    /// JetStream did not confirm that it stored the message.
    #[error("the durable event for {subject} was not stored: {reason}")]
    NotStored { subject: String, reason: String },
}

impl Error {
    /// The row of the error table that this failure belongs to.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Remote(error) => error.error_code(),
            Self::NoWorker { .. } | Self::Disconnected | Self::PeerLost { .. } | Self::NotStored { .. } => {
                ErrorCode::Unavailable
            }
            Self::TimedOut { .. } => ErrorCode::DeadlineExceeded,
            Self::Gap { .. } | Self::Protocol(_) | Self::Decode { .. } => ErrorCode::Protocol,
            Self::Header(_) | Self::Encode { .. } | Self::TooLarge { .. } => ErrorCode::InvalidArgument,
            Self::Overflow { .. } => ErrorCode::Overloaded,
            Self::Cancelled { .. } => ErrorCode::Internal,
        }
    }
}

/// So that a handler can pass on what went wrong further down with `?`.
impl From<Error> for aether_proto::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Remote(error) => error,
            other => other.code().error(&other),
        }
    }
}
