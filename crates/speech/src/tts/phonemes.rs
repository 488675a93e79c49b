//! From phonemes to the numbers that a voice takes, and where each word starts among them.

use std::collections::HashMap;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::clause::Clause;

/// The numbers of a voice's phonemes.
#[derive(Debug, Clone)]
pub(super) struct Alphabet {
    ids: HashMap<char, Vec<i64>>,
}

/// A sentence as the voice takes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sentence {
    pub ids: Vec<i64>,
    pub words: Vec<WordStart>,
}

/// Where a word starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WordStart {
    pub given: Range<usize>,
    /// Index of the word's first phoneme among the ids.
    pub id: usize,
    /// Whether espeak left the word by itself, or the place is estimated from the letters.
    pub exact: bool,
}

impl Alphabet {
    pub(super) fn new(map: &HashMap<String, Vec<i64>>) -> Self {
        let single = |text: &String| {
            let mut characters = text.chars();
            characters.next().filter(|_| characters.next().is_none())
        };
        Self { ids: map.iter().filter_map(|(text, ids)| Some((single(text)?, ids.clone()))).collect() }
    }

    /// `^ _ p _ p _ … $`: every phoneme is followed by a pad, which is how Piper's voices were trained.
    pub(super) fn sentence(&self, clauses: &[(Clause, String)]) -> Sentence {
        let mut ids = Vec::new();
        self.push(&mut ids, '^');
        let first = ids.len();
        let mut words = Vec::new();
        for (clause, phonemes) in clauses {
            if ids.len() > first {
                self.push(&mut ids, ' ');
            }
            let clause_start = ids.len();
            let mut starts = Vec::new();
            for (index, word) in phonemes.split_whitespace().enumerate() {
                if index > 0 {
                    self.push(&mut ids, ' ');
                }
                starts.push(ids.len());
                word.nfd().for_each(|phoneme| self.push(&mut ids, phoneme));
            }
            words.extend(place(clause, &starts, clause_start..ids.len()));
            if let Some(sign) = clause.terminator() {
                self.push(&mut ids, sign);
            }
        }
        // The end mark stands alone, without a pad.
        ids.extend(self.ids.get(&'$').into_iter().flatten());
        Sentence { ids, words }
    }

    /// A phoneme the voice does not know is left out: better a swallowed sound than no word.
    fn push(&self, ids: &mut Vec<i64>, phoneme: char) {
        if let Some(of_phoneme) = self.ids.get(&phoneme) {
            ids.extend(of_phoneme);
            ids.extend(self.ids.get(&'_').into_iter().flatten());
        }
    }
}

/// Finds each word of a clause among its phonemes. espeak runs some words together ("of the" is one) and takes others
/// apart; when the number of words came out the same, each is where it is; else the letters tell about where.
fn place(clause: &Clause, starts: &[usize], span: Range<usize>) -> Vec<WordStart> {
    let spoken_words = |spoken: &str| spoken.split_whitespace().count();
    let exact = clause.words.iter().map(|word| spoken_words(&word.spoken)).sum::<usize>() == starts.len();
    let letters: usize = clause.words.iter().map(|word| word.spoken.len()).sum();
    let (mut words_before, mut letters_before) = (0, 0);
    let mut placed = Vec::with_capacity(clause.words.len());
    for word in &clause.words {
        let id = if exact { starts[words_before] } else { span.start + span.len() * letters_before / letters.max(1) };
        placed.push(WordStart { given: word.given.clone(), id, exact });
        words_before += spoken_words(&word.spoken);
        letters_before += word.spoken.len();
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::super::clause::clauses;
    use super::super::normalize::words;
    use super::*;

    fn alphabet() -> Alphabet {
        let letters = "_^$ .,abcdeː".chars().enumerate().map(|(id, letter)| (letter.to_string(), vec![id as i64]));
        Alphabet::new(&letters.collect())
    }

    fn sentence(text: &str, phonemes: &[&str]) -> Sentence {
        let clauses =
            clauses(words(text)).into_iter().zip(phonemes.iter().map(ToString::to_string)).collect::<Vec<_>>();
        alphabet().sentence(&clauses)
    }

    #[test]
    fn phonemes_are_padded_and_framed() {
        let sentence = sentence("ab, c.", &["ab", "x c"]);
        //                       ^  _  a  _  b  _  ,  _  ' ' _ ' ' _ c  _  .  _  $
        assert_eq!(sentence.ids, [1, 0, 6, 0, 7, 0, 5, 0, 3, 0, 3, 0, 8, 0, 4, 0, 2]);
    }

    #[test]
    fn words_are_where_their_phonemes_start() {
        let sentence = sentence("ab cd ee", &["a cd e"]);
        let starts: Vec<(usize, bool)> = sentence.words.iter().map(|word| (word.id, word.exact)).collect();
        assert_eq!(starts, [(2, true), (6, true), (12, true)]);
    }

    #[test]
    fn words_run_together_are_placed_by_their_letters() {
        let sentence = sentence("ab cd ee", &["acd e"]);
        assert!(sentence.words.iter().all(|word| !word.exact));
        assert!(sentence.words.is_sorted_by_key(|word| word.id));
        assert_eq!(sentence.words[0].id, 2);
    }
}
