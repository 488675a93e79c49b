//! From written text to words as they are said.
//!
//! espeak-ng misreads what is more sign than word: money, times, dates, addresses, abbreviations. Those are spelt out
//! here, one written piece at a time, so that every spoken word still knows which bytes of the given text it stands
//! for. What is not listed here is left to espeak, which knows more words than anybody wants to list.

use std::ops::Range;

use super::numbers::{cardinal, digits, ordinal, plural, year};

/// A written piece longer than this is cut: espeak takes lines of limited length.
const MAX_PIECE: usize = 80;

/// A word to say, the bytes of the given text it stands for, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub given: Range<usize>,
    /// Letters, digits and spaces to say; never empty, no punctuation that espeak would pause at.
    pub spoken: String,
    pub pause: Pause,
}

/// What punctuation after a word means for the voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pause {
    None,
    /// `,` `;` `:`, which a voice pronounces differently.
    Clause(char),
    /// `.` `!` `?`
    Sentence(char),
}

/// The words of a text. Their `given` ranges follow each other without a gap and cover all of it, punctuation and
/// spaces included; a text in which there is nothing to say has none.
pub(super) fn words(text: &str) -> Vec<Word> {
    let pieces = pieces(text);
    let mut words: Vec<Word> = Vec::new();
    let mut unit: Option<String> = None;
    for (index, piece) in pieces.iter().enumerate() {
        let neighbours = Neighbours {
            before: index.checked_sub(1).map(|before| pieces[before].core).unwrap_or_default(),
            after: pieces.get(index + 1).map(|after| after.core).unwrap_or_default(),
        };
        let Reading { mut spoken, dot_is_part, unit_after } = read(piece, &neighbours);
        if let Some(unit) = unit.take() {
            spoken = format!("{spoken} {unit}");
        }
        unit = unit_after;
        let pause = piece.pause(dot_is_part);
        if spoken.trim().is_empty() {
            // A lone sign belongs to the word before it; before the first word, to the first word.
            if let Some(last) = words.last_mut() {
                last.given.end = piece.end;
                last.pause = last.pause.max(pause);
            }
            continue;
        }
        let start = words.last().map_or(0, |last| last.given.end);
        words.push(Word { given: start..piece.end, spoken: spoken.trim().to_owned(), pause });
    }
    if let Some(last) = words.last_mut() {
        last.given.end = text.len();
    }
    words
}

/// What stands between two spaces: signs, then a core, then signs.
struct Piece<'a> {
    core: &'a str,
    trail: &'a str,
    /// Where the next piece starts.
    end: usize,
    /// The text goes on in a new line.
    ends_line: bool,
}

impl Piece<'_> {
    fn pause(&self, dot_is_part: bool) -> Pause {
        let trail = if dot_is_part { self.trail.strip_prefix('.').unwrap_or(self.trail) } else { self.trail };
        let pause = trail.chars().map(|sign| match sign {
            '.' | '!' | '?' => Pause::Sentence(sign),
            ',' | ';' | ':' => Pause::Clause(sign),
            '—' | '–' | '…' => Pause::Clause(','),
            '。' | '！' | '？' => Pause::Sentence('.'),
            _ => Pause::None,
        });
        let pause = pause.max().unwrap_or(Pause::None);
        if self.ends_line { pause.max(Pause::Sentence('.')) } else { pause }
    }
}

/// Cuts at white space, after a dash between words, and where a piece gets too long.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let body = rest.trim_start();
        let body_start = start + rest.len() - body.len();
        let len = piece_len(body);
        let after = &body[len..];
        let spaces = after.len() - after.trim_start().len();
        let (core, trail) = split_signs(&body[..len]);
        let ends_line = after[..spaces].contains('\n') && spaces < after.len();
        pieces.push(Piece { core, trail, end: body_start + len + spaces, ends_line });
        rest = &after[spaces..];
    }
    pieces
}

fn piece_len(body: &str) -> usize {
    for (at, character) in body.char_indices() {
        if character.is_whitespace() || (at >= MAX_PIECE && !is_joined(character)) {
            return at;
        }
        if matches!(character, '—' | '…') || body[at..].starts_with("--") {
            return body[at..].find(|next: char| next != character).map_or(body.len(), |run| at + run);
        }
    }
    body.len()
}

/// Marks that belong to the letter before them.
fn is_joined(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{fe0f}')
}

/// Takes quotes, brackets and markup from the front, those and punctuation from the back.
fn split_signs(piece: &str) -> (&str, &str) {
    let front =
        |c: char| !c.is_alphanumeric() && !matches!(c, '$' | '£' | '€' | '-' | '+' | '#' | '&' | '%' | '@' | '=');
    let body = piece.trim_start_matches(front);
    let back = |c: char| !c.is_alphanumeric() && !matches!(c, '%' | '€' | '°' | '+' | '#' | '&' | '=');
    let core = body.trim_end_matches(back);
    // A piece of nothing but signs keeps them as its trail: a lone dash is a pause.
    if core.is_empty() { ("", piece) } else { (core, &body[core.len()..]) }
}

struct Neighbours<'a> {
    before: &'a str,
    after: &'a str,
}

impl Neighbours<'_> {
    fn name_follows(&self) -> bool {
        starts_uppercase(self.after)
    }

    fn name_precedes(&self) -> bool {
        starts_uppercase(self.before)
    }
}

fn starts_uppercase(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

/// How one piece is said.
struct Reading {
    spoken: String,
    /// The dot after it abbreviates and ends nothing.
    dot_is_part: bool,
    /// Said after the next word: "$5 million" is "five million dollars".
    unit_after: Option<String>,
}

impl Reading {
    fn plain(spoken: String) -> Self {
        Self { spoken, dot_is_part: false, unit_after: None }
    }
}

fn read(piece: &Piece<'_>, neighbours: &Neighbours<'_>) -> Reading {
    let core = piece.core;
    if piece.trail.starts_with('.')
        && let Some(reading) = abbreviation(core, neighbours)
    {
        return reading;
    }
    if let Some(reading) = money(core, neighbours) {
        return reading;
    }
    let spelt = address(core)
        .or_else(|| date(core))
        .or_else(|| time(core, neighbours))
        .or_else(|| phone(core, neighbours))
        .or_else(|| decade(core))
        .or_else(|| fraction(core))
        .or_else(|| latin(core))
        .unwrap_or_else(|| plain(core));
    Reading::plain(spelt)
}

/// `Dr.`, `St.`, `No.` and their like; the dot is known to be there.
fn abbreviation(core: &str, neighbours: &Neighbours<'_>) -> Option<Reading> {
    let part = |spoken: &str| Some(Reading { spoken: spoken.to_owned(), dot_is_part: true, unit_after: None });
    // The dot may end the sentence too: it does when a new one seems to start.
    let maybe_last = |spoken: &str| {
        let dot_is_part = !neighbours.after.is_empty() && !neighbours.name_follows();
        Some(Reading { spoken: spoken.to_owned(), dot_is_part, unit_after: None })
    };
    match core {
        "Dr" if !neighbours.name_follows() && neighbours.name_precedes() => maybe_last("Drive"),
        "Dr" => part("Doctor"),
        "St" if neighbours.name_follows() && !neighbours.name_precedes() => part("Saint"),
        "St" => maybe_last("Street"),
        "Mr" => part("Mister"),
        "Mrs" => part("Missus"),
        "Ms" => part("Miz"),
        "Prof" => part("Professor"),
        "Ave" => maybe_last("Avenue"),
        "Rd" => maybe_last("Road"),
        "Jr" => maybe_last("Junior"),
        "Sr" => maybe_last("Senior"),
        "No" | "no" | "Nos" if neighbours.after.starts_with(|c: char| c.is_ascii_digit()) => part("number"),
        "vs" => part("versus"),
        "approx" => part("approximately"),
        "etc" => maybe_last("et cetera"),
        "Inc" => maybe_last("Incorporated"),
        "Ltd" => maybe_last("Limited"),
        "e.g" => part("for example"),
        "i.e" => part("that is"),
        "a.m" => maybe_last("AM"),
        "p.m" => maybe_last("PM"),
        _ if is_initials(core) => {
            let letters: Vec<&str> = core.split('.').collect();
            // "J. Smith": the dot after a single letter before a name is part of the name.
            let dot_is_part = if letters.len() == 1 { neighbours.name_follows() } else { !neighbours.name_follows() };
            let dot_is_part = dot_is_part && !neighbours.after.is_empty();
            Some(Reading { spoken: letters.join(" "), dot_is_part, unit_after: None })
        }
        _ => None,
    }
}

/// `U.S`, `J`: single capitals with dots between. "I" is a word.
fn is_initials(core: &str) -> bool {
    core != "I" && core.split('.').all(|letter| letter.len() == 1 && letter.chars().all(|c| c.is_ascii_uppercase()))
}

/// `$5.20`, `£3`, `20€`, `$1,200`, `$5 million`.
fn money(core: &str, neighbours: &Neighbours<'_>) -> Option<Reading> {
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
fn time(core: &str, neighbours: &Neighbours<'_>) -> Option<String> {
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
fn date(core: &str) -> Option<String> {
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
fn phone(core: &str, neighbours: &Neighbours<'_>) -> Option<String> {
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
fn decade(core: &str) -> Option<String> {
    let number = core.strip_suffix('s').or_else(|| core.strip_suffix("'s"))?;
    let value = parse_digits(number)?;
    match number.len() {
        4 if value % 10 == 0 && value >= 1_000 => Some(plural(&year(value))),
        2 if value % 10 == 0 && value >= 20 => Some(plural(&cardinal(value))),
        _ => None,
    }
}

/// `1/2`, `3/4`; `24/7` and the like are read as two numbers.
fn fraction(core: &str) -> Option<String> {
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
fn address(core: &str) -> Option<String> {
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
fn latin(core: &str) -> Option<String> {
    match core {
        "&" => Some("and".to_owned()),
        "e.g" => Some("for example".to_owned()),
        "i.e" => Some("that is".to_owned()),
        "vs" => Some("versus".to_owned()),
        _ => None,
    }
}

/// Anything else, without what espeak would read as a sign, a pause or a command.
fn plain(core: &str) -> String {
    // "1,000" must not become a pause; neither must a stray comma between letters.
    let is_number = core.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | '-' | '+' | '%'));
    let mut spoken = String::with_capacity(core.len());
    for character in core.chars() {
        match character {
            ',' if is_number => {}
            '\'' | '’' => spoken.push('\''),
            '.' | '-' | '+' | '%' | '#' | '&' | '@' | '°' | '$' | '£' | '€' | '=' | '/' => spoken.push(character),
            letter if letter.is_alphanumeric() || is_joined(letter) => spoken.push(letter),
            _ => spoken.push(' '),
        }
    }
    let has_sound =
        spoken.chars().any(|c| c.is_alphanumeric() || matches!(c, '%' | '&' | '+' | '=' | '@' | '€' | '£' | '$'));
    if has_sound { spoken } else { String::new() }
}

/// A number of ASCII digits only, at most 18 of them.
fn parse_digits(digits: &str) -> Option<u64> {
    let is_number = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
#[path = "normalize_tests.rs"]
mod tests;
