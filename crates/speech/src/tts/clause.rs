//! Words into clauses, clauses into sentences.
//!
//! espeak drops punctuation and breaks its output there, so each clause is phonemised by itself and gets its
//! terminator back. A voice is trained on sentences, so the clauses of one are spoken in one breath.

use super::normalize::{Pause, Word};

/// A line of espeak's input holds somewhat more than this many bytes.
const MAX_CLAUSE_BYTES: usize = 600;

/// A sentence longer than this many words is spoken in parts: nobody ends one that long on purpose.
const MAX_SENTENCE_WORDS: usize = 40;

/// Words up to a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub words: Vec<Word>,
}

impl Clause {
    /// What espeak gets to read.
    pub(super) fn spoken(&self) -> String {
        self.words.iter().map(|word| word.spoken.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The sign that the voice pronounces after it.
    pub(super) fn terminator(&self) -> Option<char> {
        match self.words.last()?.pause {
            Pause::None => None,
            Pause::Clause(sign) | Pause::Sentence(sign) => Some(sign),
        }
    }

    fn ends_sentence(&self) -> bool {
        self.words.last().is_some_and(|word| matches!(word.pause, Pause::Sentence(_)))
    }
}

/// Cuts after every pause, and before espeak's line gets too long.
pub(super) fn clauses(words: Vec<Word>) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut current: Vec<Word> = Vec::new();
    let mut bytes = 0;
    for word in words {
        if !current.is_empty() && bytes + word.spoken.len() > MAX_CLAUSE_BYTES {
            clauses.push(Clause { words: std::mem::take(&mut current) });
            bytes = 0;
        }
        bytes += word.spoken.len() + 1;
        let ends_clause = word.pause != Pause::None;
        current.push(word);
        if ends_clause {
            clauses.push(Clause { words: std::mem::take(&mut current) });
            bytes = 0;
        }
    }
    if !current.is_empty() {
        clauses.push(Clause { words: current });
    }
    clauses
}

/// Groups clauses into what is spoken in one breath.
pub(super) fn sentences(clauses: Vec<Clause>) -> Vec<Vec<Clause>> {
    let mut sentences: Vec<Vec<Clause>> = Vec::new();
    let mut words = 0;
    let mut open = false;
    for clause in clauses {
        if !open || words + clause.words.len() > MAX_SENTENCE_WORDS {
            sentences.push(Vec::new());
            words = 0;
        }
        words += clause.words.len();
        open = !clause.ends_sentence();
        if let Some(sentence) = sentences.last_mut() {
            sentence.push(clause);
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::normalize::words;
    use super::*;

    fn grouped(text: &str) -> Vec<Vec<(String, Option<char>)>> {
        let clause = |clause: &Clause| (clause.spoken(), clause.terminator());
        sentences(clauses(words(text))).iter().map(|sentence| sentence.iter().map(clause).collect()).collect()
    }

    #[test]
    fn clauses_keep_their_terminators() {
        assert_eq!(
            grouped("Yes, of course. Is it Dr. Smith? no"),
            [
                vec![("Yes".to_owned(), Some(',')), ("of course".to_owned(), Some('.'))],
                vec![("Is it Doctor Smith".to_owned(), Some('?'))],
                vec![("no".to_owned(), None)],
            ]
        );
    }

    #[test]
    fn endless_text_is_cut() {
        let sentences = sentences(clauses(words(&"word ".repeat(1_000))));
        assert!(sentences.iter().flatten().all(|clause| clause.spoken().len() <= MAX_CLAUSE_BYTES));
        assert!(sentences.len() > 5);
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_none_moves(text in "([a-z]{1,8}[,.!?;: ]{1,2}){0,80}") {
            let all = words(&text);
            let grouped: Vec<Word> = sentences(clauses(all.clone())).into_iter().flatten().flat_map(|c| c.words).collect();
            prop_assert_eq!(grouped, all);
        }
    }
}
