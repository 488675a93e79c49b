//! Written signs that people say in words: money, times, dates, numbers to call, fractions, addresses.
//!
//! Each function takes one piece of text and gives its words, or `None` when the piece is something else.

use super::super::numbers::{cardinal, digits, ordinal, plural, year};
use super::{Neighbours, Reading};

/// `$5.20`, `£3`, `20€`, `$1,200`, `$5 million`.
pub(super) fn money(core: &str, neighbours: &Neighbours<'_>) -> Option<Reading> {
    let (sign, amount) = ["$", "£", "€"]
        .into_iter()
        .find_map(|sign| Some((sign, core.strip_prefix(sign).or_else(|| core.strip_suffix(sign))?)))?;
    let (unit, units, cent, cents) = match sign {
        "$" => ("dollar", "dollars", "cent", "cents"),
        "£" => ("pound", "pounds", "penny", "pence"),
        _ => ("euro", "euros", "cent", "cents"),
    };
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let whole: u64 = parse_digits(&whole.replace(',', ""))?;
    let name = if whole == 1 { unit } else { units };
    if !fraction.is_empty() {
        parse_digits(fraction)?;
    }
    if matches!(neighbours.after, "thousand" | "million" | "billion" | "trillion") {
        let point = if fraction.is_empty() { String::new() } else { format!(" point {}", digits(fraction)) };
        let spoken = format!("{}{point}", cardinal(whole));
        return Some(Reading { spoken, dot_is_part: false, unit_after: Some(units.to_owned()) });
    }
    let spoken = match (whole, fraction.len(), fraction.parse::<u64>().unwrap_or(0)) {
        (_, 0, _) | (_, 2, 0) => format!("{} {name}", cardinal(whole)),
        (0, 2, small) => format!("{} {}", cardinal(small), if small == 1 { cent } else { cents }),
        (_, 2, small) => {
            format!("{} {name} and {} {}", cardinal(whole), cardinal(small), if small == 1 { cent } else { cents })
        }
        _ => format!("{} point {} {units}", cardinal(whole), digits(fraction)),
    };
    Some(Reading::plain(spoken))
}

/// `10:05`, `9:30pm`, `14:00`.
pub(super) fn time(core: &str, neighbours: &Neighbours<'_>) -> Option<String> {
    let (hour, rest) = core.split_once(':')?;
    let minute = rest.get(..2)?;
    let half = match rest.get(2..)?.to_ascii_lowercase().as_str() {
        "" => "",
        "am" | "a.m" => " AM",
        "pm" | "p.m" => " PM",
        _ => return None,
    };
    let (hour, minute): (u64, u64) = (parse_digits(hour)?, parse_digits(minute)?);
    if hour > 24 || minute > 59 {
        return None;
    }
    let half_follows = matches!(neighbours.after.to_ascii_lowercase().as_str(), "am" | "pm" | "a.m" | "p.m");
    let minutes = match minute {
        0 if half.is_empty() && !half_follows && (1..=12).contains(&hour) => " o'clock".to_owned(),
        0 if half.is_empty() && !half_follows => " hundred".to_owned(),
        0 => String::new(),
        1..10 => format!(" oh {}", cardinal(minute)),
        _ => format!(" {}", cardinal(minute)),
    };
    Some(format!("{}{minutes}{half}", cardinal(hour)))
}

/// `2026-01-05`.
pub(super) fn date(core: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut parts = core.split('-');
    let (written_year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (written_year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let month = MONTHS.get((parse_digits(month)? as usize).checked_sub(1)?)?;
    let day = parse_digits(day).filter(|day| (1..=31).contains(day))?;
    Some(format!("{month} {} {}", ordinal(day), year(parse_digits(written_year)?)))
}

/// `555-123-4567`, `+44-20-7946-0958`, `(555) 123-4567`.
pub(super) fn phone(core: &str, neighbours: &Neighbours<'_>) -> Option<String> {
    let number = core.strip_prefix('+').unwrap_or(core);
    let is_group = |group: &str| (2..=4).contains(&group.len()) && parse_digits(group).is_some();
    let groups: Vec<&str> = number.split(['-', '.', ')']).collect();
    let digit_count: usize = groups.iter().map(|group| group.len()).sum();
    let is_rest = |core: &str| core.len() == 8 && core.as_bytes()[3] == b'-' && digits(core).split(' ').count() == 7;
    let is_area = |core: &str| core.len() == 3 && parse_digits(core).is_some();
    let is_number = groups.len() > 1 && digit_count >= 7 && groups[1..].iter().all(|group| is_group(group));
    let has_country = is_number && groups[0].len() <= 4 && parse_digits(groups[0]).is_some();
    if has_country || (is_area(core) && is_rest(neighbours.after)) {
        let plus = if number.len() < core.len() { "plus " } else { "" };
        let groups: Vec<String> = groups.iter().map(|group| digits(group)).collect();
        return Some(format!("{plus}{}", groups.join(" ")));
    }
    None
}

/// `1990s`, `'80s`.
pub(super) fn decade(core: &str) -> Option<String> {
    let number = core.strip_suffix('s').or_else(|| core.strip_suffix("'s"))?;
    let value = parse_digits(number)?;
    match number.len() {
        4 if value % 10 == 0 && value >= 1_000 => Some(plural(&year(value))),
        2 if value % 10 == 0 && value >= 20 => Some(plural(&cardinal(value))),
        _ => None,
    }
}

/// `1/2`, `3/4`; `24/7` and the like are read as two numbers.
pub(super) fn fraction(core: &str) -> Option<String> {
    let (above, below) = core.split_once('/')?;
    let (above, below) = (parse_digits(above)?, parse_digits(below)?);
    if above > 100 || below > 100 {
        return None;
    }
    let part = match below {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        3 | 5..=10 | 16 | 100 => ordinal(below),
        _ => String::new(),
    };
    Some(match (above, part.as_str()) {
        (0, _) | (_, "") => format!("{} {}", cardinal(above), cardinal(below)),
        _ if above >= below => format!("{} {}", cardinal(above), cardinal(below)),
        (1, _) => format!("one {part}"),
        (_, "half") => format!("{} halves", cardinal(above)),
        _ => format!("{} {part}s", cardinal(above)),
    })
}

/// Web and mail addresses, by their signs: "example dot com slash help".
pub(super) fn address(core: &str) -> Option<String> {
    const ENDINGS: &[&str] =
        &["com", "org", "net", "io", "dev", "edu", "gov", "ai", "app", "info", "uk", "de", "fr", "eu"];
    let bare = ["https://", "http://"].into_iter().find_map(|scheme| core.strip_prefix(scheme));
    let shown = bare.unwrap_or(core);
    let host = shown.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let ending = host.rsplit_once('.').map(|(name, ending)| (!name.is_empty(), ending.to_ascii_lowercase()));
    let is_host = ending.is_some_and(|(named, ending)| named && ENDINGS.contains(&ending.as_str()));
    if bare.is_none() && !host.starts_with("www.") && !is_host {
        return None;
    }
    let mut spoken = String::new();
    for character in shown.trim_end_matches('/').chars() {
        match character {
            '.' => spoken.push_str(" dot "),
            '/' => spoken.push_str(" slash "),
            '-' => spoken.push_str(" dash "),
            '_' => spoken.push_str(" underscore "),
            '@' => spoken.push_str(" at "),
            ':' => spoken.push_str(" colon "),
            letter if letter.is_alphanumeric() => spoken.push(letter),
            _ => spoken.push(' '),
        }
    }
    let spoken = spoken.replace("www dot", "w w w dot");
    Some(spoken.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Short forms without a dot at their end.
pub(super) fn latin(core: &str) -> Option<String> {
    match core {
        "&" => Some("and".to_owned()),
        "e.g" => Some("for example".to_owned()),
        "i.e" => Some("that is".to_owned()),
        "vs" => Some("versus".to_owned()),
        _ => None,
    }
}

/// A number of ASCII digits only, at most 18 of them.
fn parse_digits(digits: &str) -> Option<u64> {
    let is_number = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}
