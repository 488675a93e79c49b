//! A moment as a person would say it.

use jiff::civil::{Date, Time};
use jiff::{ToSpan as _, Zoned};

use super::When;
use super::number::SMALL;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// As a person would say it, relative to now: "in ten minutes", "tomorrow at 7:30 AM", "every Monday at 9 AM".
pub fn spoken(when: &When, now: &Zoned) -> String {
    match when {
        When::Once(at) => once(&at.with_time_zone(now.time_zone().clone()), now),
        When::Repeatedly(cron) => repeatedly(cron).unwrap_or_else(|| "again and again".to_owned()),
    }
}

fn once(at: &Zoned, now: &Zoned) -> String {
    let seconds = at.duration_since(now).as_secs_f64().round();
    let minutes = (seconds / 60.0).round();
    if seconds < 1.0 {
        return "now".to_owned();
    }
    if seconds < 60.0 {
        return format!("in {}", count(seconds as usize, "second"));
    }
    if minutes < 60.0 {
        return format!("in {}", count(minutes as usize, "minute"));
    }
    if minutes == 60.0 {
        return "in an hour".to_owned();
    }
    let (date, time) = (at.date(), at.time());
    let tomorrow = now.date().checked_add(1.day()).ok();
    if date == now.date() {
        return format!("today at {}", of_today(time));
    }
    if tomorrow == Some(date) {
        // "tomorrow at midnight" could as well be a day later.
        let is_midnight = (time.hour(), time.minute()) == (0, 0);
        return if is_midnight { "tonight at midnight".to_owned() } else { format!("tomorrow at {}", clock(time)) };
    }
    let day = date.strftime(if date.year() == now.year() { "%A, %-d %B" } else { "%A, %-d %B %Y" });
    format!("on {day} at {}", clock(time))
}

/// A full hour of today in words: the person is in the middle of that day.
fn of_today(time: Time) -> String {
    let part = match time.hour() {
        _ if time.minute() != 0 => return clock(time),
        0 | 12 => return clock(time),
        1..=11 => "in the morning",
        13..=17 => "in the afternoon",
        18..=21 => "in the evening",
        _ => "at night",
    };
    let hour = usize::try_from(time.hour() % 12).ok().and_then(|hour| SMALL.split(' ').nth(hour));
    hour.map_or_else(|| clock(time), |hour| format!("{hour} {part}"))
}

fn clock(time: Time) -> String {
    match (time.hour(), time.minute()) {
        (0, 0) => "midnight".to_owned(),
        (12, 0) => "noon".to_owned(),
        (_, 0) => time.strftime("%-I %p").to_string(),
        _ => time.strftime("%-I:%M %p").to_string(),
    }
}

/// None for what [`super::read`] never makes.
fn repeatedly(cron: &str) -> Option<String> {
    if let Some(minutes) = cron.strip_prefix("@every ").and_then(|interval| interval.strip_suffix('m')) {
        let minutes: usize = minutes.parse().ok()?;
        let length = if minutes.is_multiple_of(60) { count(minutes / 60, "hour") } else { count(minutes, "minute") };
        return Some(format!("every {length}"));
    }
    let fields: Vec<_> = cron.split_whitespace().collect();
    let (minute, hour, day, month, weekdays) = match *fields.as_slice() {
        ["*", "*", "*", "*", "*"] => return Some("every minute".to_owned()),
        ["0", "*", "*", "*", "*"] => return Some("every hour".to_owned()),
        [minutes, "*", "*", "*", "*"] => return Some(format!("every {}", count(step(minutes)?, "minute"))),
        ["0", hours, "*", "*", "*"] if hours.starts_with('*') => {
            return Some(format!("every {}", count(step(hours)?, "hour")));
        }
        [minute, hour, day, month, weekdays] => (minute, hour, day, month, weekdays),
        _ => return None,
    };
    let at = clock(Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?);
    Some(match (day, month, weekdays) {
        ("*", "*", "*") => format!("every day at {at}"),
        ("*", "*", "1-5") => format!("every weekday at {at}"),
        ("*", "*", days) => format!("every {} at {at}", listed(days)?),
        (day, "*", "*") => format!("on the {} of every month at {at}", ordinal(day.parse().ok()?)),
        (day, month, "*") => {
            let date = Date::new(2024, month.parse().ok()?, day.parse().ok()?).ok()?;
            format!("every year on {} at {at}", date.strftime("%-d %B"))
        }
        _ => return None,
    })
}

fn step(field: &str) -> Option<usize> {
    field.strip_prefix("*/")?.parse().ok()
}

fn listed(days: &str) -> Option<String> {
    let name = |day: &str| day.parse::<usize>().ok().and_then(|day| WEEKDAYS.get(day));
    let names = days.split(',').map(|day| name(day).copied()).collect::<Option<Vec<_>>>()?;
    match names.as_slice() {
        [one] => Some((*one).to_owned()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
        [] => None,
    }
}

fn count(number: usize, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    match SMALL.split(' ').nth(number).filter(|_| number <= 12) {
        Some(word) => format!("{word} {unit}{plural}"),
        None => format!("{number} {unit}{plural}"),
    }
}

fn ordinal(number: u8) -> String {
    let ending = match (number / 10, number % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
