//! Times of day: quiet hours and digests, in the person's own zone.

use aether_store::NotifySettings;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// When, and how much, a person wants to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wishes {
    pub quiet: Option<Quiet>,
    pub zone: TimeZone,
    /// At least one.
    pub digests: Vec<Time>,
    pub most_per_hour: u32,
}

/// From a time of day until another, over midnight if that is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quiet {
    pub from: Time,
    pub until: Time,
}

impl Wishes {
    pub fn nothing_set() -> Self {
        let digests = vec![Time::constant(9, 0, 0, 0)];
        Self { quiet: None, zone: TimeZone::system(), digests, most_per_hour: 6 }
    }

    /// The error is for the person who set them.
    pub fn read(settings: &NotifySettings) -> Result<Self, String> {
        let quiet = match (&settings.quiet_from, &settings.quiet_until) {
            (None, None) => None,
            (Some(from), Some(until)) => {
                let quiet = Quiet { from: time("quiet_from", from)?, until: time("quiet_until", until)? };
                if quiet.from == quiet.until {
                    return Err("`quiet_from` and `quiet_until` are the same time".to_owned());
                }
                Some(quiet)
            }
            _ => return Err("set both `quiet_from` and `quiet_until`, or neither".to_owned()),
        };
        let zone = match settings.time_zone.as_str() {
            "" => TimeZone::system(),
            name => TimeZone::get(name)
                .map_err(|_| format!("`time_zone`: there is no time zone {name:?}; write one such as Europe/Berlin"))?,
        };
        let mut digests =
            settings.digest_at.iter().map(|text| time("digest_at", text)).collect::<Result<Vec<_>, _>>()?;
        digests.sort_unstable();
        digests.dedup();
        match digests.len() {
            1..=24 => {}
            count => return Err(format!("`digest_at` has {count} times, there may be 1 to 24")),
        }
        let most_per_hour = u32::try_from(settings.most_per_hour).ok().filter(|most| (1..=1000).contains(most));
        let most_per_hour = most_per_hour.ok_or("`most_per_hour` must be from 1 to 1000")?;
        Ok(Self { quiet, zone, digests, most_per_hour })
    }

    /// When the quiet hours that `now` is in are over.
    pub fn quiet_until(&self, now: &Zoned) -> Option<Zoned> {
        let Quiet { from, until } = self.quiet?;
        let time = now.time();
        let is_quiet = if from < until { (from..until).contains(&time) } else { time >= from || time < until };
        is_quiet.then(|| next(now, until)).flatten()
    }

    pub fn next_digest(&self, now: &Zoned) -> Option<Zoned> {
        self.digests.iter().filter_map(|&time| next(now, time)).min()
    }

    pub fn now(&self, now: Timestamp) -> Zoned {
        now.to_zoned(self.zone.clone())
    }
}

/// The next time that the clock shows `time`. Where the clocks leave it out, the moment they are changed.
fn next(now: &Zoned, time: Time) -> Option<Zoned> {
    let on = |days: i64| {
        now.date().checked_add(Span::new().days(days)).ok()?.to_datetime(time).to_zoned(now.time_zone().clone()).ok()
    };
    [0, 1].into_iter().filter_map(on).find(|at| at > now)
}

fn time(field: &str, text: &str) -> Result<Time, String> {
    let wrong = || format!("`{field}`: {text:?} is no time of day; write one such as 22:00");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_who_has_set_nothing_can_be_read() {
        assert_eq!(Wishes::read(&NotifySettings::default()).unwrap().digests.len(), 2);
    }

    fn settings(quiet: Option<(&str, &str)>, zone: &str, digests: &[&str]) -> NotifySettings {
        NotifySettings {
            quiet_from: quiet.map(|(from, _)| from.to_owned()),
            quiet_until: quiet.map(|(_, until)| until.to_owned()),
            time_zone: zone.to_owned(),
            digest_at: digests.iter().map(|&text| text.to_owned()).collect(),
            most_per_hour: 6,
        }
    }

    #[test]
    fn quiet_hours_may_pass_midnight_and_end_at_their_end() {
        let night = Wishes::read(&settings(Some(("22:00", "07:00")), "Europe/Berlin", &["09:00"])).unwrap();
        let lunch = Wishes::read(&settings(Some(("12:00", "13:30")), "Europe/Berlin", &["09:00"])).unwrap();
        for (wishes, now, until) in [
            (&night, "2026-11-29T22:00:00", Some("2026-11-30T07:00:00+01:00[Europe/Berlin]")),
            (&night, "2026-11-30T06:59:59", Some("2026-11-30T07:00:00+01:00[Europe/Berlin]")),
            (&night, "2026-11-30T07:00:00", None),
            (&night, "2026-11-30T21:59:59", None),
            (&lunch, "2026-11-30T12:00:00", Some("2026-11-30T13:30:00+01:00[Europe/Berlin]")),
            (&lunch, "2026-11-30T13:30:00", None),
            // The night in which the clocks go back, and the one in which they go forward.
            (&night, "2026-10-24T23:00:00", Some("2026-10-25T07:00:00+01:00[Europe/Berlin]")),
            (&night, "2026-03-28T23:00:00", Some("2026-03-29T07:00:00+02:00[Europe/Berlin]")),
        ] {
            let now: Zoned = format!("{now}[Europe/Berlin]").parse().unwrap();
            assert_eq!(wishes.quiet_until(&now).map(|at| at.to_string()).as_deref(), until, "{now}");
        }
    }

    #[test]
    fn the_next_digest_is_today_or_tomorrow() {
        let wishes = Wishes::read(&settings(None, "UTC", &["18:00", "09:00", "09:00"])).unwrap();
        for (now, next) in [
            ("2026-11-29T08:00:00", "2026-11-29T09:00:00+00:00[UTC]"),
            ("2026-11-29T09:00:00", "2026-11-29T18:00:00+00:00[UTC]"),
            ("2026-11-29T18:00:00", "2026-11-30T09:00:00+00:00[UTC]"),
        ] {
            let now: Zoned = format!("{now}[UTC]").parse().unwrap();
            assert_eq!(wishes.next_digest(&now).unwrap().to_string(), next);
        }
    }

    #[test]
    fn what_can_not_be_wished_is_said_precisely() {
        for (wrong, said) in [
            (settings(Some(("22", "07:00")), "UTC", &["09:00"]), "`quiet_from`"),
            (settings(Some(("22:00", "25:00")), "UTC", &["09:00"]), "`quiet_until`"),
            (settings(Some(("22:00", "22:00")), "UTC", &["09:00"]), "same time"),
            (settings(None, "Mars/Olympus", &["09:00"]), "no time zone"),
            (settings(None, "UTC", &[]), "1 to 24"),
            (settings(None, "UTC", &["9am"]), "`digest_at`"),
            (NotifySettings { most_per_hour: 0, ..settings(None, "UTC", &["09:00"]) }, "most_per_hour"),
            (NotifySettings { quiet_until: None, ..settings(Some(("22:00", "07:00")), "UTC", &["09:00"]) }, "both"),
        ] {
            let error = Wishes::read(&wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
