//! When something that recurs is to be done next: five fields, in the time of a place; or again after always the same time.

use aether_proto::{ErrorCode, Recurrence};
use cronexpr::Crontab;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use time::OffsetDateTime;

/// What never comes within so many years is a mistake.
const YEARS: i64 = 8;

/// Before an interval, as other schedulers write it: `@every 90m`.
const EVERY: &str = "@every ";
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What comes again and again.
#[derive(Debug)]
pub(crate) enum Recurring {
    Cron(Box<Clock>),
    /// Whole seconds.
    Interval(time::Duration),
}

/// A cron expression that comes true at some time.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    cron: Crontab,
    /// The same, in a place whose clock is never changed.
    unchanged: Crontab,
    /// It names no hour of the day.
    is_hourly: bool,
}

impl Recurring {
    /// A cron line in `time_zone` (an IANA name; empty means UTC), or `@every` and a time such as `90m` or `1h30m`: that counts
    /// from one run to the next, whatever the clock shows.
    pub fn read(cron: &str, time_zone: &str) -> Result<Self, aether_proto::Error> {
        let Some(interval) = cron.strip_prefix(EVERY) else {
            return Clock::read(cron, time_zone).map(|clock| Self::Cron(Box::new(clock)));
        };
        let invalid = |reason: String| ErrorCode::InvalidArgument.error(reason);
        let interval: SignedDuration = interval
            .trim()
            .parse()
            .map_err(|_| invalid(format!("{interval:?} is no time that passes; write one such as 90m or 1h30m")))?;
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(invalid(format!("{interval:#} is shorter than a minute, or longer than a year")));
        }
        Ok(Self::Interval(time::Duration::seconds(interval.as_secs())))
    }

    /// The first time after `after`; `None` where none comes for years, such as of a 30th of February.
    pub fn next(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Cron(clock) => clock.next(after),
            Self::Interval(interval) => after.checked_add(*interval),
        }
    }

    pub fn of(recurrence: &Recurrence) -> Result<Self, aether_proto::Error> {
        Self::read(&recurrence.cron, &recurrence.time_zone)
    }
}

impl Clock {
    /// `time_zone` is an IANA name; empty means UTC.
    ///
    /// In spring, what falls into the hour that is left out is done an hour later by the clock, so that no day goes without it. In
    /// autumn, what falls into the hour that comes twice is done once, the first time, unless it is for every hour.
    fn read(cron: &str, time_zone: &str) -> Result<Self, aether_proto::Error> {
        let invalid = |reason: String| ErrorCode::InvalidArgument.error(reason);
        let zone = if time_zone.is_empty() { "UTC" } else { time_zone };
        let time_zone = TimeZone::get(zone)
            .map_err(|_| invalid(format!("{zone:?} is no time zone; use a name such as Europe/Berlin")))?;
        if cron.split_whitespace().count() != 5 {
            return Err(invalid(format!(
                "{cron:?} is no cron line: five fields are wanted, minute, hour, day of month, month and day of week"
            )));
        }
        let parse = |zone: &str| {
            cronexpr::parse_crontab(&format!("{cron} {zone}"))
                .map_err(|error| invalid(format!("{cron:?} is no cron line: {error}")))
        };
        let is_hourly = cron.split_whitespace().nth(1).is_some_and(|hours| hours.starts_with('*'));
        Ok(Self { zone: time_zone, cron: parse(zone)?, unchanged: parse("UTC")?, is_hourly })
    }

    fn next(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        let after = Timestamp::from_second(after.unix_timestamp()).ok()?;
        let mut next = self.cron.find_next(after).ok()?.timestamp();
        while !self.is_hourly && self.was_shown_before(next) {
            next = self.cron.find_next(next).ok()?.timestamp();
        }
        let next = self.left_out(after).filter(|made_up| *made_up < next).unwrap_or(next);
        let is_soon = next.as_second() - after.as_second() < YEARS * 366 * 24 * 3600;
        OffsetDateTime::from_unix_timestamp(next.as_second()).ok().filter(|_| is_soon)
    }

    /// The next time by the clock, if it is one that the clock never shows: then it is done as much later as the clock is put
    /// forward.
    fn left_out(&self, after: Timestamp) -> Option<Timestamp> {
        let shown = after.to_zoned(self.zone.clone()).datetime();
        let next = self.unchanged.find_next(shown.to_zoned(TimeZone::UTC).ok()?.timestamp()).ok()?.datetime();
        let next = self.zone.to_ambiguous_zoned(next);
        let is_left_out = matches!(next.offset(), AmbiguousOffset::Gap { .. });
        next.compatible().ok().map(|next| next.timestamp()).filter(|next| is_left_out && *next > after)
    }

    /// Whether the clock shows at this time what it showed an hour ago.
    fn was_shown_before(&self, at: Timestamp) -> bool {
        let shown = self.zone.to_ambiguous_zoned(at.to_zoned(self.zone.clone()).datetime());
        let is_twice = matches!(shown.offset(), AmbiguousOffset::Fold { .. });
        is_twice && shown.earlier().is_ok_and(|first| first.timestamp() != at)
    }
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn next_of(cron: &str, zone: &str, after: &str, times: usize) -> Vec<String> {
        let recurring = Recurring::read(cron, zone).unwrap();
        let mut at = OffsetDateTime::parse(after, &Rfc3339).unwrap();
        let mut all = Vec::new();
        for _ in 0..times {
            at = recurring.next(at).unwrap();
            all.push(at.format(&Rfc3339).unwrap());
        }
        all
    }

    #[test]
    fn an_interval_is_always_as_long_whatever_the_clock_shows() {
        assert_eq!(
            next_of("@every 90m", "Europe/Berlin", "2026-10-24T23:30:00Z", 3),
            ["2026-10-25T01:00:00Z", "2026-10-25T02:30:00Z", "2026-10-25T04:00:00Z"]
        );
        assert_eq!(next_of("@every 1h30m", "", "2026-11-29T23:00:00Z", 1), ["2026-11-30T00:30:00Z"]);
        for (wrong, said) in [
            ("@every 59s", "shorter than a minute"),
            ("@every 9000h", "longer than a year"),
            ("@every -5m", "shorter than a minute"),
            ("@every soon", "no time that passes"),
            ("@every ", "no time that passes"),
            ("@daily", "five fields"),
        ] {
            let error = Recurring::read(wrong, "").unwrap_err();
            assert!(error.message.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_time_is_that_of_the_place() {
        assert_eq!(
            next_of("30 9 * * MON", "Europe/Berlin", "2026-11-29T00:00:00Z", 2),
            ["2026-11-30T08:30:00Z", "2026-12-07T08:30:00Z"]
        );
        assert_eq!(next_of("0 0 1 1 *", "", "2026-11-29T00:00:00Z", 1), ["2027-01-01T00:00:00Z"]);
    }

    #[test]
    fn an_hour_that_is_left_out_and_one_that_comes_twice() {
        // In Berlin 2026-03-29 has no 2:30, and 2026-10-25 has it twice.
        assert_eq!(
            next_of("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            next_of("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // What is for every hour goes on through both.
        assert_eq!(
            next_of("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 3),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"]
        );
        assert_eq!(
            next_of("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"]
        );
    }

    #[test]
    fn what_is_no_cron_line_is_told_as_such() {
        for (cron, zone, reason) in [
            ("* * * *", "", "five fields"),
            ("* * * * * *", "", "five fields"),
            ("61 * * * *", "", "no cron line"),
            ("every monday", "", "five fields"),
            ("* * * * *", "Mars/Olympus", "no time zone"),
            ("", "", "five fields"),
        ] {
            let error = Recurring::read(cron, zone).unwrap_err();
            assert!(error.message.contains(reason), "{cron} {zone}: {error}");
        }
        let never = Recurring::read("0 0 30 2 *", "");
        assert!(never.is_err() || never.unwrap().next(OffsetDateTime::UNIX_EPOCH).is_none());
    }
}
