//! Which of two jobs begins first.
//!
//! Each has a time by which it should have begun: when it is due, and the patience of its priority. The earliest goes first.
//! In SQL that is a column and `ORDER BY start_by`, and nothing has to be counted up while jobs wait: two jobs keep their
//! order for as long as both wait. Nothing starves: whatever has waited ten minutes comes before all that becomes due later,
//! even at [`P0`](Priority::P0).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::{self, UnknownName};

/// How soon a job is to begin once it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Somebody notices every second.
    P0,
    /// Somebody waits.
    P1,
    /// Somebody will ask.
    P2,
    /// When there is time.
    P3,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }

    /// 0 to 3, as it is kept.
    pub const fn number(self) -> u8 {
        self as u8
    }

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The promise: a job that begins later is counted as late. `None`: nothing is promised.
    pub const fn start_within(self) -> Option<Duration> {
        match self {
            Self::P0 => Some(Duration::from_secs(1)),
            Self::P1 => Some(Duration::from_secs(10)),
            Self::P2 => Some(Duration::from_secs(60)),
            Self::P3 => None,
        }
    }

    /// How long others may go first.
    pub const fn patience(self) -> Duration {
        match self.start_within() {
            Some(bound) => bound,
            None => Duration::from_secs(600),
        }
    }

    /// The earliest of these goes first.
    pub fn start_by_unix_ms(self, due_unix_ms: i64) -> i64 {
        let patience_ms = i64::try_from(self.patience().as_millis()).unwrap_or(i64::MAX);
        due_unix_ms.saturating_add(patience_ms)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        name::find("priority", &Self::ALL, Self::as_str, text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Priority::{P0, P1, P2, P3};
    use super::*;

    #[test]
    fn every_name_and_number_is_read_back() {
        crate::name::assert_names(&Priority::ALL, Priority::as_str);
        for priority in Priority::ALL {
            assert_eq!(Priority::from_number(priority.number()), Some(priority));
        }
        assert_eq!(Priority::from_number(4), None);
    }

    /// Who of two goes first, the second of which becomes due so many seconds after the first.
    #[test]
    fn waiting_makes_up_for_priority() {
        let table = [
            (P3, P1, 0, P1),
            (P3, P1, 589, P1),
            (P3, P1, 591, P3),
            (P3, P0, 600, P3),
            (P2, P0, 58, P0),
            (P2, P0, 60, P2),
            (P0, P0, 1, P0),
        ];
        for (first, second, seconds, winner) in table {
            let is_first = first.start_by_unix_ms(0) < second.start_by_unix_ms(seconds * 1_000);
            assert_eq!(if is_first { first } else { second }, winner, "{first}, and {second} {seconds} s later");
        }
    }

    proptest! {
        #[test]
        fn a_higher_priority_never_waits_for_a_lower_one_that_is_due_with_it_or_later(due: i64, later in 0i64..1_000_000) {
            for pair in Priority::ALL.windows(2) {
                let lower_due = due.saturating_add(later);
                prop_assert!(pair[0].start_by_unix_ms(due) <= pair[1].start_by_unix_ms(lower_due));
            }
        }

        /// Only what became due within ten minutes of it ever goes before a job.
        #[test]
        fn nothing_starves(due in 0i64..1_000_000_000_000, later in 600_000i64..1_000_000_000_000) {
            for (waits, comes) in Priority::ALL.into_iter().flat_map(|one| Priority::ALL.map(|other| (one, other))) {
                prop_assert!(waits.start_by_unix_ms(due) < comes.start_by_unix_ms(due + later));
            }
        }
    }
}
