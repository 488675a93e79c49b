//! From written text to words as they are said.
//!
//! espeak-ng misreads what is more sign than word: money, times, dates, addresses, abbreviations. Those are spelt out
//! here, one written piece at a time, so that every spoken word still knows which bytes of the given text it stands
//! for. What is not listed here is left to espeak, which knows more words than anybody wants to list.

mod signs;

use std::ops::Range;

use signs::{address, date, decade, fraction, latin, money, phone, time};

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

#[cfg(test)]
mod tests;
