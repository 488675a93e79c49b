//! The ways in which a message reaches a person who is in no room: their browser ([`Push`]), their mailbox ([`Email`]) and
//! software of their own ([`Webhook`]).
//!
//! Each takes a target and a [`Message`] and says [`Failure`] where it did not arrive. None decides whether to tell, tries
//! again or remembers anything: that is the caller's. `http.rs` is how two of them speak to servers that nobody has to trust.
//! [`Channels`] are all three.

mod channels;
mod email;
mod http;
mod push;
mod webhook;

#[cfg(test)]
mod receiver;

use std::time::Duration;

use aether_proto::NotificationId;

pub use channels::{Channels, ChannelsError};
pub(crate) use email::{Address, Email, EmailError};
pub(crate) use http::Http;
pub(crate) use push::{ContactError, Push, Subscription, VapidKey};
pub(crate) use webhook::{Webhook, WebhookTarget};

/// What a person is told. Its texts are material from outside: every channel treats them as such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same however often it is sent, so that who gets it twice can tell.
    pub id: NotificationId,
    /// One line.
    pub title: String,
    /// Plain text, may be empty.
    pub text: String,
    /// Where more is; may be empty.
    pub url: String,
    pub urgency: Urgency,
    pub created_unix_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    Low,
    Normal,
    High,
    Urgent,
}

impl Urgency {
    /// As in a webhook's body.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

/// Why a message did not arrive. The reason is for a person: no secret, no path of an endpoint and nothing of the message
/// stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The same message may arrive later.
    #[error("{reason}")]
    Temporary {
        reason: String,
        /// How long the other side asks to be left alone, at most an hour.
        retry_after: Option<Duration>,
    },
    /// This target will not work again: a subscription that is gone, a mailbox that does not exist.
    #[error("{reason}")]
    Permanent { reason: String },
}

impl Failure {
    fn temporary(reason: impl Into<String>) -> Self {
        Self::Temporary { reason: reason.into(), retry_after: None }
    }

    fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }
}
