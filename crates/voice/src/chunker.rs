//! Cuts an answer, as it is being generated, into pieces worth synthesising: a clause or a sentence, at most 15 words.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// No piece has more words: a longer one would delay its own first sound.
const MOST_WORDS: usize = 15;
/// A clause is cut off from so many words on; the first one earlier, because silence is waiting for it.
const FIRST_CLAUSE_WORDS: usize = 3;
const CLAUSE_WORDS: usize = 7;
/// A full stop after one of these is not the end of a sentence.
const ABBREVIATIONS: [&str; 14] =
    ["mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "approx", "jr", "sr"];

/// One piece of the answer, and where it stands in the answer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub text: String,
    /// In bytes of the whole answer, on character boundaries.
    pub range: Range<usize>,
}

/// Takes text deltas, gives chunks. Concatenated, the chunks are the deltas.
#[derive(Debug, Default)]
pub struct Chunker {
    pending: String,
    /// Bytes of the answer before `pending`.
    offset: usize,
    cut_before: bool,
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
        self.pending.push_str(delta);
        let mut chunks = Vec::new();
        while let Some(end) = self.cut() {
            chunks.push(self.take(end));
        }
        chunks
    }

    /// The rest, once no more text comes (or none has come for too long). Text without a single word is kept back for the
    /// next piece.
    pub fn flush(&mut self) -> Option<Chunk> {
        self.has_pending_words().then(|| self.take(self.pending.len()))
    }

    /// Where the first piece of `pending` ends, if it is certain already.
    fn cut(&self) -> Option<usize> {
        let mut words = 0;
        let mut last_word = "";
        let mut word_end = 0;
        for (start, segment) in self.pending.split_word_bound_indices() {
            let end = start + segment.len();
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

    fn take(&mut self, end: usize) -> Chunk {
        let rest = self.pending.split_off(end);
        let text = std::mem::replace(&mut self.pending, rest);
        let range = self.offset..self.offset + end;
        self.offset = range.end;
        self.cut_before = true;
        Chunk { text, range }
    }
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
    }
}
