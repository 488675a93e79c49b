//! What becomes of runs of a schedule whose time passed while nothing ran.
//!
//! However many there were, one run is made up for at most: a machine that was off for a week does not do a week's work in
//! the minute after.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::{self, UnknownName};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// One run makes up for all of them, the last.
    #[default]
    RunOnce,
    /// They are left out: what is said too late is better not said.
    Skip,
}

/// What is to be done about a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The planned time of the run that is to begin. It names the run, so that two who look begin one.
    pub run_unix_ms: Option<i64>,
    /// The first planned time that has not come. `None`: the schedule is at its end.
    pub next_unix_ms: Option<i64>,
}

impl Missed {
    pub const ALL: [Self; 2] = [Self::RunOnce, Self::Skip];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunOnce => "run_once",
            Self::Skip => "skip",
        }
    }

    /// What there is to do now, where runs are planned for these times: in order, from the first that nothing was done about,
    /// and as many as one likes. A run that is no later than `grace` is not missed: nobody looks every moment.
    pub fn due(self, planned_unix_ms: impl IntoIterator<Item = i64>, now_unix_ms: i64, grace: Duration) -> Due {
        let mut planned = planned_unix_ms.into_iter();
        let mut last_unix_ms = None;
        let next_unix_ms = loop {
            match planned.next() {
                Some(come) if come <= now_unix_ms => last_unix_ms = Some(come),
                next => break next,
            }
        };
        let is_in_time = |run: &i64| u128::from(now_unix_ms.abs_diff(*run)) <= grace.as_millis();
        let run_unix_ms = last_unix_ms.filter(|run| self == Self::RunOnce || is_in_time(run));
        Due { run_unix_ms, next_unix_ms }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Missed {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        name::find("way with missed runs", &Self::ALL, Self::as_str, text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Missed::{RunOnce, Skip};
    use super::*;

    const GRACE: Duration = Duration::from_millis(10);

    #[test]
    fn every_name_is_read_back() {
        crate::name::assert_names(&Missed::ALL, Missed::as_str);
    }

    #[test]
    fn one_run_makes_up_for_all_or_none_does() {
        // Planned, now; then what runs with `RunOnce`, what with `Skip`, and what is next. 0: nothing.
        let table: [(&str, &[i64], i64, [i64; 3]); 7] = [
            ("nothing has come", &[100, 200], 99, [0, 0, 100]),
            ("just now", &[100, 200], 100, [100, 100, 200]),
            ("nobody looked for a moment", &[100, 200], 110, [100, 100, 200]),
            ("missed", &[100, 200], 111, [100, 0, 200]),
            ("missed many", &[100, 200, 300, 400], 350, [300, 0, 400]),
            ("missed many, and one just now", &[100, 200, 300, 400], 300, [300, 300, 400]),
            ("at its end", &[100], 105, [100, 100, 0]),
        ];
        let some = |unix_ms: i64| Some(unix_ms).filter(|unix_ms| *unix_ms != 0);
        for (name, planned, now, [once, skip, next]) in table {
            for (missed, run) in [(RunOnce, once), (Skip, skip)] {
                let due = missed.due(planned.iter().copied(), now, GRACE);
                assert_eq!(due, Due { run_unix_ms: some(run), next_unix_ms: some(next) }, "{name}, {missed}");
            }
        }
        assert_eq!(Skip.due([i64::MIN], i64::MAX, GRACE), Due { run_unix_ms: None, next_unix_ms: None });
    }

    proptest! {
        /// Whoever looks, however seldom: no planned time is run twice, none before its time, and all are run if it is often
        /// enough.
        #[test]
        fn a_schedule_moves_on(every in 1i64..50, pauses in prop::collection::vec(0i64..100, 1..50), skips: bool) {
            let missed = if skips { Skip } else { RunOnce };
            let (mut now, mut next, mut runs) = (0, 0, Vec::new());
            for pause in &pauses {
                now += pause;
                let due = missed.due((0..).map(|number| next + number * every), now, GRACE);
                runs.extend(due.run_unix_ms);
                prop_assert!(due.run_unix_ms.is_none_or(|run| next <= run && run <= now));
                next = due.next_unix_ms.unwrap();
                prop_assert!(now < next && next <= now + every);
            }
            prop_assert!(runs.is_sorted_by(|one, other| one < other));
            if pauses.iter().all(|pause| *pause <= every && *pause <= 10) {
                prop_assert_eq!(runs.len() as i64, now / every + 1);
            }
        }
    }
}
