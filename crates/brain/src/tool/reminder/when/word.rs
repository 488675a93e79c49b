//! The words of a text, and the way back to how they were written.

use std::ops::Range;

const PAUSES: [char; 6] = [',', ';', '.', ':', '!', '?'];

/// A word in lower case without its signs, and where it is in the text with them.
pub(super) struct Word {
    pub plain: String,
    range: Range<usize>,
    pub is_before_pause: bool,
}

/// Words end at gaps, at dashes, and where digits go over into letters: "7pm", "5th".
pub(super) fn split(text: &str) -> Vec<Word> {
    let is_gap = |c: char| c.is_whitespace() || matches!(c, '-' | '–' | '—');
    let is_sign = |c: char| PAUSES.contains(&c) || matches!(c, '\'' | '’' | '‘' | '"' | '“' | '”' | '…' | '(' | ')');
    let mut words = Vec::new();
    let mut start = 0;
    let mut last = ' ';
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_gap(c) || (last.is_ascii_digit() && c.is_alphabetic()) {
            let word = text[start..at].trim_start_matches(is_gap);
            let plain = word.trim_matches(is_sign).to_lowercase().replace('’', "'");
            if !plain.is_empty() {
                let plain = if matches!(plain.as_str(), "a.m" | "p.m") { plain.replace('.', "") } else { plain };
                words.push(Word { plain, range: at - word.len()..at, is_before_pause: word.ends_with(PAUSES) });
            }
            start = at;
        }
        last = c;
    }
    words
}

/// The person's own, without the signs around it.
pub(super) fn wording<'a>(text: &'a str, words: &[Word]) -> &'a str {
    match words {
        [first, .., last] => text[first.range.start..last.range.end].trim_matches(PAUSES),
        [only] => text[only.range.clone()].trim_matches(PAUSES),
        [] => "",
    }
}
