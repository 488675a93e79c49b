//! Whether other clocks agree with this machine's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::doctor::Finding;
use crate::doctor::Section::Clock;

/// Tokens are made here and checked there: beyond this some are refused as not yet valid.
const PROBLEM: f64 = 30.0;
/// Traces and logs of several machines no longer fit together.
const WARNING: f64 = 1.0;
/// Nobody's clock stood there when this was written.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600); // 2026-01-01

/// A server's clock, as it was read between two looks at ours.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Seconds since 1970.
    pub theirs: f64,
    pub before: SystemTime,
    pub after: SystemTime,
    /// How coarse theirs is told, in seconds.
    pub grain: f64,
}

impl Reading {
    /// How far theirs is ahead, in seconds; zero while it may be the same.
    fn ahead(self) -> f64 {
        let (earliest, latest) = (seconds(self.before), seconds(self.after));
        if self.theirs > latest {
            self.theirs - latest
        } else if self.theirs + self.grain < earliest {
            self.theirs + self.grain - earliest
        } else {
            0.0
        }
    }
}

/// What a server's clock says about ours.
pub fn judge(server: &str, reading: Reading) -> Finding {
    let ahead = reading.ahead();
    let found = match ahead.abs() {
        agree if agree < 0.05 => "agrees with this machine's".to_owned(),
        _ if ahead > 0.0 => format!("is {} ahead of this machine's", span(ahead)),
        _ => format!("is {} behind this machine's", span(-ahead)),
    };
    let finding = match ahead.abs() {
        far if far >= PROBLEM => Clock.problem(
            server,
            found,
            "set both clocks by the network (timedatectl set-ntp true): tokens are refused",
        ),
        far if far >= WARNING => {
            Clock.warning(server, found, "set both clocks by the network (timedatectl set-ntp true)")
        }
        _ => Clock.ok(server, found),
    };
    finding.with("ahead_s", ahead)
}

/// What can be said without asking anybody.
pub fn own(now: SystemTime) -> Finding {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if since < EARLIEST {
        let found = "this machine's stands before Aether was made";
        return Clock.problem("date", found, "set it: certificates and tokens are refused, reminders come at no time");
    }
    Clock.ok("date", "this machine's is at a possible date")
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn span(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.1} s"),
        long if long < 7200.0 => format!("{:.0} min", long / 60.0),
        long => format!("{:.0} h", long / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn reading(theirs: f64, grain: f64) -> Reading {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds);
        Reading { theirs, before: at(1000.0), after: at(1000.2), grain }
    }

    #[test]
    fn a_clock_is_judged_by_how_far_off_it_surely_is() {
        for (theirs, grain, status, found) in [
            (1000.1, 0.0, Status::Ok, "agrees with this machine's"),
            // Told in whole seconds, it may be anywhere in this one.
            (999.5, 1.0, Status::Ok, "agrees with this machine's"),
            (1000.9, 0.0, Status::Ok, "is 0.7 s ahead of this machine's"),
            (1005.2, 0.0, Status::Warning, "is 5.0 s ahead of this machine's"),
            (990.0, 0.0, Status::Warning, "is 10.0 s behind this machine's"),
            (700.0, 0.0, Status::Problem, "is 5 min behind this machine's"),
            (11_800.2, 0.0, Status::Problem, "is 3 h ahead of this machine's"),
        ] {
            let finding = judge("postgres", reading(theirs, grain));
            assert_eq!((finding.status, finding.found.as_str()), (status, found), "{theirs}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_noticed() {
        assert_eq!(own(UNIX_EPOCH).status, Status::Problem);
        assert_eq!(own(SystemTime::now()).status, Status::Ok);
    }
}
