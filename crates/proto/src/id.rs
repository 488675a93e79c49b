//! Newtype ids. Each is checked once, where it enters, so that no later code has to wonder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("{kind} must not be empty")]
    Empty { kind: &'static str },
    #[error("{kind} is {length} bytes long, the limit is {limit}")]
    TooLong { kind: &'static str, length: usize, limit: usize },
    #[error("{kind} contains the control character U+{character:04X}")]
    ControlCharacter { kind: &'static str, character: u32 },
    #[error("{kind} is not a UUID")]
    NotUuid { kind: &'static str },
}

/// A name that people choose: any printable text up to a limit. Escaped by [`crate::subject`] where it enters a subject.
macro_rules! name_id {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Longest accepted text, in bytes.
            pub const MAX_LENGTH: usize = 128;

            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if text.is_empty() {
                    return Err(IdError::Empty { kind: $kind });
                }
                if text.len() > Self::MAX_LENGTH {
                    return Err(IdError::TooLong { kind: $kind, length: text.len(), limit: Self::MAX_LENGTH });
                }
                if let Some(character) = text.chars().find(|c| c.is_control()) {
                    return Err(IdError::ControlCharacter { kind: $kind, character: character.into() });
                }
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// An id that we make ourselves: a UUID, version 7, so that ids sort by the time they were made.
macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id for this moment. Reads the clock, so the pure crates take ids instead of making them.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError::NotUuid { kind: $kind })
            }
        }
    };
}

name_id!(
    /// Whose data this is. Row-level security and subjects are keyed by it.
    TenantId,
    "tenant id"
);
name_id!(
    /// Which of a tenant's agents. Memories belong to one.
    AgentId,
    "agent id"
);
name_id!(
    /// A human being the agent knows, the same in every room and session.
    PersonId,
    "person id"
);
name_id!(
    /// A room's name as its tenant chose it, before it is mapped to LiveKit's global name space.
    RoomName,
    "room name"
);
uuid_id!(
    /// One stay of the agent in one room (or one typed conversation).
    SessionId,
    "session id"
);
uuid_id!(
    /// One thing said by a person and the answer to it.
    TurnId,
    "turn id"
);
uuid_id!(
    /// One request, call or event on the bus.
    RequestId,
    "request id"
);
uuid_id!(
    /// One piece of work beside a conversation, or the schedule of one that comes again and again.
    JobId,
    "job id"
);
uuid_id!(
    /// One thing that a person is told without having asked.
    NotificationId,
    "notification id"
);
uuid_id!(
    /// One running process of a service.
    InstanceId,
    "instance id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_enter() {
        assert_eq!(RoomName::new(""), Err(IdError::Empty { kind: "room name" }));
        assert_eq!(RoomName::new("a\nb"), Err(IdError::ControlCharacter { kind: "room name", character: 10 }));
        assert!(matches!(RoomName::new("x".repeat(129)), Err(IdError::TooLong { .. })));
        assert!(RoomName::new("kitchen.table *").is_ok());
    }

    #[test]
    fn generated_ids_sort_by_time() {
        let first = TurnId::generate();
        let second = TurnId::generate();
        assert!(first < second);
        assert_eq!(first.to_string().parse(), Ok(first));
    }
}
