//! Cuts an answer, as it is being generated, into pieces worth synthesising: a clause or a sentence, at most 15 words.
//!
//! What is said of an answer at all is decided before, in `script.rs`; how much of it, here: nobody listens for minutes, so
//! the rest of a long answer is shown only.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::script::{Piece, Script};

/// No piece has more words: a longer one would delay its own first sound.
const MOST_WORDS: usize = 15;
/// Nor more bytes, whatever they are: tts takes texts of limited length.
const MOST_BYTES: usize = 400;
/// A clause is cut off from so many words on; the first one earlier, because silence is waiting for it.
const FIRST_CLAUSE_WORDS: usize = 3;
const CLAUSE_WORDS: usize = 7;
/// After so many characters the agent stops speaking at the next end of a sentence, and somewhat later in any case: about a
/// minute and a half.
const MOST_SPOKEN: usize = 1_200;
const MOST_SPOKEN_IN_ANY_CASE: usize = 1_500;
/// Said instead of the rest.
const REST: &str = "I have written the rest down for you.";
/// A full stop after one of these is not the end of a sentence.
const ABBREVIATIONS: [&str; 14] =
    ["mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "approx", "jr", "sr"];

/// One piece to say, and where it stands in the answer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub text: String,
    /// In bytes of the whole answer, on character boundaries. Empty for what is said and not written.
    pub range: Range<usize>,
    /// Where stretches of `text` stand in the answer; what lies between them in the answer is not said.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    spoken: usize,
    written: usize,
}

impl Chunk {
    /// The byte of the answer that stands at this byte of `text`.
    pub fn written_at(&self, spoken: usize) -> usize {
        written_at(&self.places, spoken).map_or(self.range.start, |written| written.min(self.range.end))
    }
}

fn written_at(places: &[Place], spoken: usize) -> Option<usize> {
    let place = places.iter().rev().find(|place| place.spoken <= spoken)?;
    Some(place.written + spoken - place.spoken)
}

/// Takes text deltas, gives chunks.
#[derive(Debug, Default)]
pub struct Chunker {
    script: Script,
    /// What is to be said and was not cut off yet.
    pending: String,
    places: Vec<Place>,
    /// Bytes of the answer so far.
    written: usize,
    cut_before: bool,
    /// Characters cut off so far.
    spoken: usize,
    /// No more is said.
    is_full: bool,
    told_rest: bool,
}

impl Chunker {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether words wait for the end of their clause.
    pub fn has_pending_words(&self) -> bool {
        has_word(&self.pending)
    }

    /// Takes the next delta; returns what can be spoken now.
    pub fn push(&mut self, delta: &str) -> Vec<Chunk> {
        self.written += delta.len();
        let pieces = self.script.push(delta);
        self.cut_off(pieces)
    }

    /// What waits for the end of its clause, because none has come for too long. Text without a single word is kept back for
    /// the next piece.
    pub fn pause(&mut self) -> Option<Chunk> {
        self.has_pending_words().then(|| self.take(self.pending.len()))
    }

    /// The rest, once no more text comes.
    pub fn flush(&mut self) -> Vec<Chunk> {
        let pieces = self.script.finish();
        let mut chunks = self.cut_off(pieces);
        chunks.extend(self.pause());
        chunks
    }

    /// Something to say here and now that is not in the answer, after what waits.
    pub fn aside(&mut self, text: &str) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = self.pause().into_iter().collect();
        chunks.push(aside(self.written, text));
        chunks
    }

    fn cut_off(&mut self, pieces: Vec<Piece>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text { at, text } => self.read(at, &text, &mut chunks),
                Piece::Aside { .. } if self.is_full => {}
                Piece::Aside { at, text } => {
                    chunks.extend(self.pause());
                    self.forget();
                    chunks.push(aside(at, text));
                }
            }
        }
        chunks
    }

    fn read(&mut self, at: usize, text: &str, chunks: &mut Vec<Chunk>) {
        if self.is_full {
            if has_word(text) && !std::mem::replace(&mut self.told_rest, true) {
                chunks.push(aside(at, REST));
            }
            return;
        }
        // In parts, so that a whole answer that comes at once is not searched from its start for each cut.
        let mut rest = text;
        let mut at = at;
        while !rest.is_empty() && !self.is_full {
            let (part, later) = rest.split_at(rest.floor_char_boundary(MOST_BYTES));
            self.places.push(Place { spoken: self.pending.len(), written: at });
            self.pending.push_str(part);
            at += part.len();
            rest = later;
            while let Some(end) = self.cut() {
                chunks.push(self.take(end));
                if self.is_full {
                    break;
                }
            }
            // Nothing but signs: nothing to wait for.
            if self.pending.len() > MOST_BYTES && !self.is_full {
                self.forget();
            }
        }
        if self.is_full {
            let unsaid = std::mem::take(&mut self.pending);
            self.forget();
            if (has_word(&unsaid) || has_word(rest)) && !std::mem::replace(&mut self.told_rest, true) {
                let at = chunks.last().map_or(at, |last| last.range.end);
                chunks.push(aside(at, REST));
            }
        }
    }

    /// Where the first piece of `pending` ends, if it is certain already.
    fn cut(&self) -> Option<usize> {
        let mut words = 0;
        let mut last_word = "";
        let mut word_end = 0;
        for (start, segment) in self.pending.split_word_bound_indices() {
            let end = start + segment.len();
            if end > MOST_BYTES && (words > 0 || has_word(segment)) {
                return Some(if words > 0 { word_end } else { self.pending.floor_char_boundary(MOST_BYTES) });
            }
            if has_word(segment) {
                if words == MOST_WORDS {
                    return Some(word_end);
                }
                words += 1;
                last_word = segment;
                word_end = end;
                continue;
            }
            // What follows decides: "3." may become "3.5".
            let rest = &self.pending[end..];
            let Some(next) = rest.chars().next() else { break };
            if words == 0 || !(next.is_whitespace() || matches!(next, '"' | '\'' | ')' | '”' | '’')) {
                if segment == "\n" && words > 0 {
                    return Some(end);
                }
                continue;
            }
            match segment {
                "." if is_abbreviation(last_word) => {}
                "." | "!" | "?" | "…" | "\n" => return Some(end),
                "," | ";" | ":" | "—" | "–" if words >= self.clause_words() => return Some(end),
                _ => {}
            }
        }
        None
    }

    const fn clause_words(&self) -> usize {
        if self.cut_before { CLAUSE_WORDS } else { FIRST_CLAUSE_WORDS }
    }

    /// Cuts off the first `end` bytes, which are not none.
    fn take(&mut self, end: usize) -> Chunk {
        let rest = self.pending.split_off(end);
        let text = std::mem::replace(&mut self.pending, rest);
        let goes_on_at = written_at(&self.places, end).unwrap_or(self.written);
        let (mut places, later): (Vec<Place>, Vec<Place>) =
            std::mem::take(&mut self.places).into_iter().partition(|place| place.spoken < end);
        places.dedup_by(|next, before| next.written - before.written == next.spoken - before.spoken);
        if !self.pending.is_empty() && later.first().is_none_or(|place| place.spoken > end) {
            self.places.push(Place { spoken: 0, written: goes_on_at });
        }
        self.places.extend(later.into_iter().map(|place| Place { spoken: place.spoken - end, ..place }));
        let start = places.first().map_or(goes_on_at, |place| place.written);
        let range = start..written_at(&places, end).unwrap_or(start);
        self.cut_before = true;
        self.spoken += text.chars().count();
        let is_sentence = text.trim_end().ends_with(['.', '!', '?', '…', ':']) || text.ends_with('\n');
        self.is_full = self.spoken >= MOST_SPOKEN_IN_ANY_CASE || self.spoken >= MOST_SPOKEN && is_sentence;
        Chunk { text, range, places }
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.places.clear();
    }
}

fn aside(at: usize, text: &str) -> Chunk {
    Chunk { text: text.to_owned(), range: at..at, places: Vec::new() }
}

fn has_word(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

fn is_abbreviation(word: &str) -> bool {
    let word = word.to_lowercase();
    word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i"
        || ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks(deltas: &[&str]) -> Vec<String> {
        let mut chunker = Chunker::new();
        let mut chunks: Vec<Chunk> = deltas.iter().flat_map(|delta| chunker.push(delta)).collect();
        chunks.extend(chunker.flush());
        chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    #[test]
    fn cuts_where_a_speaker_would_breathe() {
        let table: Vec<(&[&str], &[&str])> = vec![
            (&["Hello there. ", "How are you?"], &["Hello there.", " How are you?"]),
            (&["It is 3", ".5 degrees."], &["It is 3.5 degrees."]),
            (&["Dr. Jones is in. Wait"], &["Dr. Jones is in.", " Wait"]),
            (
                &["Well of course, I can do that for you, and more, if you want me to do it, right now."],
                &["Well of course,", " I can do that for you, and more,", " if you want me to do it,", " right now."],
            ),
            (
                &["one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"],
                &[
                    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
                    " sixteen",
                ],
            ),
            (&["Yes.", " ", "\n\n", "No."], &["Yes.", " \n\nNo."]),
            (&["...", " "], &[]),
        ];
        for (deltas, expected) in table {
            assert_eq!(chunks(deltas), expected, "{deltas:?}");
        }
    }

    #[test]
    fn an_aside_has_no_place_in_the_answer() {
        let mut chunker = Chunker::new();
        let mut chunks = chunker.push("Well, yes");
        chunks.extend(chunker.aside("Let me look."));
        chunks.extend(chunker.push(" it is. "));
        chunks.extend(chunker.flush());
        let all: Vec<_> = chunks.iter().map(|chunk| (chunk.text.as_str(), chunk.range.clone())).collect();
        assert_eq!(all, [("Well, yes", 0..9), ("Let me look.", 9..9), (" it is.", 9..16)]);
        assert_eq!(chunks[1].written_at(4), 9);
    }

    #[test]
    fn what_is_said_of_an_address_stands_in_the_answer() {
        let answer = "Go to https://www.example.com/a/b?c#d now and say please.";
        let mut chunker = Chunker::new();
        let mut chunks = chunker.push(answer);
        chunks.extend(chunker.flush());
        let [chunk] = chunks.as_slice() else { panic!("{chunks:?}") };
        assert_eq!(chunk.text, "Go to example.com now and say please.");
        for word in ["example.com", "now", "please."] {
            let spoken = chunk.text.find(word).unwrap();
            assert_eq!(&answer[chunk.written_at(spoken)..][..word.len()], word);
        }
        assert_eq!(chunk.range, 0..answer.len());
    }

    #[test]
    fn a_long_answer_is_not_read_to_its_end() {
        for answer in [
            "This is a sentence of about forty letters. ".repeat(500),
            "word ".repeat(4000),
            "你好世界".repeat(5000),
            "x".repeat(20_000),
            "é".repeat(20_000),
            "!?".repeat(10_000),
            "👍".repeat(5_000),
        ] {
            let mut chunker = Chunker::new();
            let mut chunks = chunker.push(&answer);
            chunks.extend(chunker.flush());
            let said: usize = chunks.iter().map(|chunk| chunk.text.chars().count()).sum();
            assert!(said <= MOST_SPOKEN_IN_ANY_CASE + 200, "{said}");
            assert!(chunks.iter().all(|chunk| chunk.text.len() <= MOST_BYTES));
            assert!(chunks.iter().filter(|chunk| chunk.text == REST).count() <= 1);
            if said > MOST_SPOKEN {
                assert_eq!(chunks.last().unwrap().text, REST);
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_moved(deltas in prop::collection::vec("[a-zA-Z0-9 .,!?\n…é“”-]{0,12}", 0..40)) {
            let answer: String = deltas.concat();
            let mut chunker = Chunker::new();
            let mut chunks: Vec<Chunk> = deltas.iter().flat_map(|delta| chunker.push(delta)).collect();
            chunks.extend(chunker.flush());
            let mut at = 0;
            for chunk in &chunks {
                prop_assert_eq!(chunk.range.start, at);
                prop_assert_eq!(&answer[chunk.range.clone()], chunk.text.as_str());
                prop_assert!(chunk.text.unicode_words().count() <= MOST_WORDS + 1);
                at = chunk.range.end;
            }
            prop_assert!(!has_word(&answer[at..]), "words left behind: {:?}", &answer[at..]);
        }

        #[test]
        fn whatever_comes_ends_and_every_mark_is_on_a_character(
            deltas in prop::collection::vec("([ -~]|\n|```|\\||\\[|\\]\\(|https?://|www\\.|é|👍|你|\\PC){0,12}", 0..60)
        ) {
            let answer: String = deltas.concat();
            let mut chunker = Chunker::new();
            let mut chunks: Vec<Chunk> = Vec::new();
            for (index, delta) in deltas.iter().enumerate() {
                chunks.extend(chunker.push(delta));
                if index % 7 == 0 {
                    chunks.extend(chunker.pause());
                }
            }
            chunks.extend(chunker.flush());
            let mut end = 0;
            for chunk in chunks {
                prop_assert!(chunk.text.len() <= MOST_BYTES);
                prop_assert!(chunk.range.start >= end, "{chunk:?} before {end}");
                end = chunk.range.end;
                prop_assert!(answer.get(chunk.range.clone()).is_some());
                if chunk.range.is_empty() {
                    continue;
                }
                for (spoken, character) in chunk.text.char_indices() {
                    let written = chunk.written_at(spoken);
                    prop_assert!(answer[written..].starts_with(character), "{spoken} of {chunk:?}");
                }
            }
        }
    }
}
