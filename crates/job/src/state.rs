//! Where a job is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{self, UnknownName};

/// The eleven states, by their names on the bus and in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Submitted.
    Pending,
    /// Waits for its time and for a worker.
    Scheduled,
    /// Its handler runs.
    Executing,
    /// Its handler is done, and whether that is good is looked at.
    Verifying,
    /// Done.
    Committed,
    /// Only passed through: what follows on a failure is known at once.
    Failed,
    /// Waits to be tried again.
    Retrying,
    /// Given up, and nobody was told yet.
    Escalated,
    /// Waits for a person to replay or to cancel it, for days if need be.
    HumanReview,
    /// Cancelled; what it did is being undone.
    Compensating,
    /// Cancelled, and nothing of it is left.
    RolledBack,
}

impl State {
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Scheduled,
        Self::Executing,
        Self::Verifying,
        Self::Committed,
        Self::Failed,
        Self::Retrying,
        Self::Escalated,
        Self::HumanReview,
        Self::Compensating,
        Self::RolledBack,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Scheduled => "SCHEDULED",
            Self::Executing => "EXECUTING",
            Self::Verifying => "VERIFYING",
            Self::Committed => "COMMITTED",
            Self::Failed => "FAILED",
            Self::Retrying => "RETRYING",
            Self::Escalated => "ESCALATED",
            Self::HumanReview => "HUMAN_REVIEW",
            Self::Compensating => "COMPENSATING",
            Self::RolledBack => "ROLLED_BACK",
        }
    }

    /// Nothing happens to it any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack)
    }

    /// It belongs to one worker, under a lease. In all other states it belongs to nobody.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Executing | Self::Verifying | Self::Compensating)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        name::find("state of a job", &Self::ALL, Self::as_str, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        crate::name::assert_names(&State::ALL, State::as_str);
        assert_eq!("DONE".parse::<State>().unwrap_err().to_string(), r#""DONE" is no state of a job"#);
    }
}
