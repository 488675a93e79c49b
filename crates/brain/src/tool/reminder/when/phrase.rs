//! What people say about time. Each function reads the beginning of plain words.

use jiff::civil::{Date, Weekday};

use super::moment::{Clock, Day, Every, Length, Moment, Part, Weekdays};
use super::number::{Taken, amount, ordinal, place, whole};

const MONTHS: &str = "january february march april may june july august september october november december";
const WEEKDAYS: &str = "monday tuesday wednesday thursday friday saturday sunday";

/// What is said first, and how many words it takes. Only where a wish begins is "for seven" a time: "dinner for two" is
/// none.
pub(super) fn phrase(words: &[&str], is_first: bool) -> Taken<Moment> {
    let (is_hour, skipped) = match words {
        ["at" | "by", "about" | "around" | "exactly", ..] => (true, 2),
        ["at" | "by" | "around", ..] => (true, 1),
        ["for", ..] => (is_first, 1),
        ["on", ..] => (false, 1),
        _ => (false, 0),
    };
    let rest = words.get(skipped..)?;
    let hour = || {
        let (clock, taken, is_certain) = clock(rest)?;
        // A bare number may count anything: "buy two".
        (is_hour || is_certain).then_some((Moment { clock: Some(clock), ..Moment::default() }, taken))
    };
    let is_date = words.first() == Some(&"on");
    let found = every(rest).or_else(|| length_ahead(rest)).or_else(|| day(rest, is_date)).or_else(hour);
    found.map(|(moment, taken)| (moment, taken + skipped)).or_else(|| part_of_any_day(words))
}

fn every(words: &[&str]) -> Taken<Moment> {
    let moment = |every| Moment { every: Some(every), ..Moment::default() };
    let (rest, taken) = match words {
        ["every" | "each", rest @ ..] => (rest, 1),
        ["daily", ..] => return Some((moment(Every::Length(Length::DAY)), 1)),
        [first, ..] => {
            let is_plural = first.ends_with('s');
            let (days, taken) = weekdays(words).filter(|_| is_plural)?;
            return Some(with_part(words, moment(Every::Weekdays(days)), taken));
        }
        [] => return None,
    };
    if let ["other" | "second", rest @ ..] = rest {
        // Refused for being uneven, but understood.
        let weekly = weekdays(rest).map(|(_, taken)| (Length::WEEK, taken));
        let (length, used) = weekly.or_else(|| unit(rest))?;
        return Some((moment(Every::Length(Length::default().plus(2.0, length))), taken + 1 + used));
    }
    if let Some((days, used)) = weekdays(rest) {
        return Some(with_part(words, moment(Every::Weekdays(days)), taken + used));
    }
    if let Some(part) = rest.first().and_then(|word| part(word)) {
        return Some((Moment { part: Some(part), ..moment(Every::Length(Length::DAY)) }, taken + 1));
    }
    let one = || length(&[&["a"], rest].concat()).map(|(length, used)| (length, used - 1));
    if let Some((length, used)) = length(rest).or_else(one) {
        return Some((moment(Every::Length(length)), taken + used));
    }
    let (found, used) = date(rest, true)?;
    let is_yearly = matches!(found.day, Some(Day::Date { month: Some(_), .. }));
    let length = if is_yearly { Length::YEAR } else { Length::MONTH };
    Some((Moment { every: Some(Every::Length(length)), ..found }, taken + used))
}

/// "in ten minutes", "ten minutes from now", "next week".
fn length_ahead(words: &[&str]) -> Taken<Moment> {
    let (length, taken) = match words {
        ["in", rest @ ..] => {
            let (length, taken) = length(rest)?;
            let ending = usize::from(rest.get(taken) == Some(&"time"));
            (length, 1 + taken + ending)
        }
        ["next", "week", ..] => (Length::WEEK, 2),
        ["next", "month", ..] => (Length::MONTH, 2),
        ["next", "year", ..] => (Length::YEAR, 2),
        _ => {
            let (length, taken) = length(words)?;
            words.get(taken..)?.starts_with(&["from", "now"]).then_some((length, taken + 2))?
        }
    };
    Some((Moment { day: Some(Day::After(length)), ..Moment::default() }, taken))
}

/// "an hour and a half", "two hours and ten minutes".
fn length(words: &[&str]) -> Taken<Length> {
    let mut sum = None;
    let mut taken = 0;
    loop {
        let rest = words.get(taken..)?;
        let joint = usize::from(sum.is_some() && rest.first() == Some(&"and"));
        let Some((length, used)) = rest.get(joint..).and_then(counted) else { break };
        sum = Some(sum.unwrap_or(Length::default()).plus(1.0, length));
        taken += joint + used;
    }
    sum.map(|sum| (sum, taken))
}

fn counted(words: &[&str]) -> Taken<Length> {
    let (amount, taken) = amount(words)?;
    let (unit, used) = words.get(taken..).and_then(unit)?;
    let taken = taken + used;
    Some(match words.get(taken..) {
        Some(["and", "a", "half", ..]) => (Length::default().plus(amount + 0.5, unit), taken + 3),
        Some(["and", "a", "quarter", ..]) => (Length::default().plus(amount + 0.25, unit), taken + 3),
        _ => (Length::default().plus(amount, unit), taken),
    })
}

fn unit(words: &[&str]) -> Taken<Length> {
    let seconds = |seconds| Length { seconds, ..Length::default() };
    let unit = match *words.first()? {
        "second" | "seconds" | "sec" | "secs" => seconds(1.0),
        "minute" | "minutes" | "min" | "mins" => seconds(60.0),
        "hour" | "hours" | "hr" | "hrs" => seconds(3600.0),
        "day" | "days" => Length::DAY,
        "week" | "weeks" => Length::WEEK,
        "fortnight" => Length { days: 14.0, ..Length::default() },
        "month" | "months" => Length::MONTH,
        "year" | "years" => Length::YEAR,
        _ => return None,
    };
    Some((unit, 1))
}

/// A time of day, how many words it takes, and whether it can't be another kind of number.
fn clock(words: &[&str]) -> Option<(Clock, usize, bool)> {
    let (clock, taken, is_certain) = match words {
        ["noon" | "midday", ..] => return Some((Clock::Exact(12 * 60), 1, true)),
        ["midnight", ..] => return Some((Clock::Exact(0), 1, true)),
        _ => relative(words).or_else(|| digital(words.first()?)).or_else(|| spelled(words))?,
    };
    Some(match words.get(taken..)? {
        ["o'clock" | "oclock", rest @ ..] => half_of_day(rest, clock, taken + 1, true),
        ["o", "clock", rest @ ..] => half_of_day(rest, clock, taken + 2, true),
        rest => half_of_day(rest, clock, taken, is_certain),
    })
}

fn half_of_day(words: &[&str], clock: Clock, taken: usize, is_certain: bool) -> (Clock, usize, bool) {
    match words {
        [half @ ("am" | "pm"), ..] => (clock.exact(*half == "pm"), taken + 1, true),
        [half @ ("a" | "p"), "m", ..] => (clock.exact(*half == "p"), taken + 2, true),
        _ => (clock, taken, is_certain),
    }
}

/// "half past seven", "a quarter to eight", "ten to eight".
fn relative(words: &[&str]) -> Option<(Clock, usize, bool)> {
    let (minutes, taken) = match words {
        ["half", ..] => (30, 1),
        ["quarter", ..] => (15, 1),
        ["a", "quarter", ..] => (15, 2),
        _ => {
            let (minutes, taken) = whole(words)?;
            let unit = usize::from(matches!(words.get(taken), Some(&"minute" | &"minutes")));
            // "at seven to one of" …: nobody says "seven to one" of a clock.
            let is_usual = unit > 0 || minutes % 5 == 0;
            (i16::try_from(minutes).ok().filter(|minutes| is_usual && (1..60).contains(minutes))?, taken + unit)
        }
    };
    let minutes = match words.get(taken)? {
        &"past" | &"after" => minutes,
        &"to" | &"before" if words.first() != Some(&"half") => -minutes,
        _ => return None,
    };
    let (hour, used) = hour(words.get(taken + 1..)?)?;
    Some((Clock::new(hour, minutes), taken + 1 + used, true))
}

/// "7:30", "19.30", and "1930", which is how nineteen thirty may be written down.
fn digital(word: &str) -> Option<(Clock, usize, bool)> {
    let split = word.split_once([':', '.']);
    let (hour, minute) = split.or_else(|| if word.len() > 2 { word.split_at_checked(word.len() - 2) } else { None })?;
    let is_clock = hour.len() <= 2 && minute.len() == 2 && !hour.is_empty();
    let (hour_of_day, minute) = (hour.parse().ok().filter(|hour| is_clock && *hour <= 24)?, minute.parse().ok()?);
    let clock = Clock::new(hour_of_day, Some(minute).filter(|minute| (0..60).contains(minute))?);
    Some((if hour.starts_with('0') { clock.exact(false) } else { clock }, 1, word.contains(':')))
}

/// "seven", "seven thirty", "seven oh five".
fn spelled(words: &[&str]) -> Option<(Clock, usize, bool)> {
    let (hour, taken) = hour(words)?;
    let rest = words.get(taken..)?;
    let minute = match rest {
        ["oh" | "o", rest @ ..] => {
            whole(rest).filter(|(minute, _)| *minute < 10).map(|(minute, used)| (minute, used + 1))
        }
        _ => whole(rest).filter(|(minute, _)| (10..60).contains(minute)),
    };
    let (minute, used) = minute.unwrap_or((0, 0));
    Some((Clock::new(hour, i16::try_from(minute).ok()?), taken + used, false))
}

fn hour(words: &[&str]) -> Taken<u16> {
    let (hour, taken) = whole(words)?;
    Some((u16::try_from(hour).ok().filter(|hour| *hour <= 24)?, taken))
}

fn day(words: &[&str], is_date: bool) -> Taken<Moment> {
    let on = |day| Moment { day: Some(day), ..Moment::default() };
    if let Some(found) = date(words, is_date) {
        return Some(found);
    }
    let (found, taken) = match words {
        ["today", ..] => (on(Day::Plus(0)), 1),
        ["tonight", ..] => return Some((Moment { part: Some(Part::Night), ..on(Day::Plus(0)) }, 1)),
        ["tomorrow", ..] => (on(Day::Plus(1)), 1),
        ["yesterday", ..] => (on(Day::Plus(-1)), 1),
        ["the", "day", "after", "tomorrow", ..] => (on(Day::Plus(2)), 4),
        ["day", "after", "tomorrow", ..] => (on(Day::Plus(2)), 3),
        ["this", word, ..] if part(word).is_some() => (on(Day::Plus(0)), 1),
        _ => {
            let skipped = match words {
                ["this", "coming", ..] => 2,
                ["this" | "the" | "next" | "coming", ..] => 1,
                _ => 0,
            };
            let after_today = words.first() == Some(&"next");
            let among = words.get(skipped).and_then(|word| weekday(word))?;
            let (weekday, taken) = (on(Day::Weekday { among, after_today }), skipped + 1);
            // "Friday the fifth"
            match words.get(taken..).and_then(|rest| date(rest, true)) {
                Some((date, used)) => return Some((date, taken + used)),
                None => (weekday, taken),
            }
        }
    };
    Some(with_part(words, found, taken))
}

/// "the fifth of December", "December 5th", and "the fifth" where it is certain to be a day.
fn date(words: &[&str], is_certain: bool) -> Taken<Moment> {
    let number = |words: &[&str]| ordinal(words).or_else(|| whole(words));
    let article = usize::from(words.first() == Some(&"the"));
    let (day, mut taken, month, every) = if let Some(month) = words.first().and_then(|word| month(word)) {
        let article = usize::from(words.get(1) == Some(&"the"));
        let (day, used) = number(words.get(1 + article..)?)?;
        (day, 1 + article + used, Some(month), None)
    } else {
        let (day, used) = number(words.get(article..)?)?;
        let taken = article + used;
        match words.get(taken..)? {
            ["of", name, ..] if month(name).is_some() => (day, taken + 2, month(name), None),
            [name, ..] if month(name).is_some() => (day, taken + 1, month(name), None),
            ["of", "every" | "each", "month", ..] => (day, taken + 3, None, Some(Every::Length(Length::MONTH))),
            ["of", "the" | "this", "month", ..] => (day, taken + 3, None, None),
            _ if is_certain && ordinal(words.get(article..)?).is_some() => (day, taken, None, None),
            _ => return None,
        }
    };
    let day = i8::try_from(day).ok()?;
    // In a leap year, so that 29 February is one.
    Date::new(2024, month.unwrap_or(1), day).ok()?;
    let year = words.get(taken).and_then(|word| word.parse().ok()).filter(|year| (2000..2200).contains(year));
    let year = year.filter(|_| month.is_some());
    taken += usize::from(year.is_some());
    Some((Moment { every, day: Some(Day::Date { day, month, year }), ..Moment::default() }, taken))
}

fn month(word: &str) -> Option<i8> {
    i8::try_from(place(word, MONTHS)? + 1).ok()
}

/// "in the morning", "at night", "first thing".
fn part_of_any_day(words: &[&str]) -> Taken<Moment> {
    let (part, taken) = match words {
        ["in", "the", word, ..] => (part(word)?, 3),
        ["at", "night", ..] => (Part::Night, 2),
        ["first", "thing", ..] => (Part::Morning, 2),
        _ => return None,
    };
    Some((Moment { part: Some(part), ..Moment::default() }, taken))
}

/// "tomorrow morning"
fn with_part(words: &[&str], day: Moment, taken: usize) -> (Moment, usize) {
    match words.get(taken).and_then(|word| part(word)) {
        Some(part) => (Moment { part: Some(part), ..day }, taken + 1),
        None => (day, taken),
    }
}

fn part(word: &str) -> Option<Part> {
    match word {
        "morning" => Some(Part::Morning),
        "afternoon" => Some(Part::Afternoon),
        "evening" => Some(Part::Evening),
        "night" => Some(Part::Night),
        _ => None,
    }
}

/// "Monday, Wednesday and Friday"
fn weekdays(words: &[&str]) -> Taken<Weekdays> {
    let mut days = weekday(words.first()?)?;
    let mut taken = 1;
    while let Some(rest) = words.get(taken..) {
        let joint = usize::from(rest.first() == Some(&"and"));
        let Some(day) = rest.get(joint).and_then(|word| weekday(word)) else { break };
        days = days.and(day);
        taken += joint + 1;
    }
    Some((days, taken))
}

fn weekday(word: &str) -> Option<Weekdays> {
    match word.strip_suffix('s').unwrap_or(word) {
        "weekday" | "workday" => Some(Weekdays::WORKING),
        "weekend" => Some(Weekdays::WEEKEND),
        day => Weekday::from_monday_zero_offset(place(day, WEEKDAYS)?.try_into().ok()?).ok().map(Weekdays::only),
    }
}
