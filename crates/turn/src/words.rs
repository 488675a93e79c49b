//! What the words so far tell, without a model: how much of them is certain, and whether they ask for more.

/// The words of a text in lower case, without punctuation.
pub fn plain(text: &str) -> Vec<String> {
    let letters = |c: char| c.is_alphanumeric() || c == '\'';
    text.split(|c: char| !letters(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether a plain word is among those of a list that is written with spaces.
pub(crate) fn is_one_of(word: &str, list: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// After one of these a sentence goes on, or somebody is looking for a word.
const OPEN_ENDS: &str = "um uh er erm hmm like and or but so because if when while that which who whose the a an my your his her its \
    our their to of with for from at in on by into about between than as is are was were am be i i'm it's let's \
    please very really not can could";
const NUMBERS: &str = "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety";

/// Whether the words can hardly be all: they end in an "um", an "and", an open clause, or in the middle of a number that is
/// being dictated.
pub fn are_left_open(text: &str) -> bool {
    let text = text.trim_end();
    if text.ends_with('?') {
        return false;
    }
    // What Whisper writes where a voice trails off.
    if text.ends_with([',', '-', '–', '—', ':', '…']) || text.ends_with("...") {
        return true;
    }
    let words = plain(text);
    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit()) || is_one_of(word, NUMBERS);
    match words.as_slice() {
        [.., before, last] if is_number(before) && is_number(last) => true,
        [.., last] => is_one_of(last, OPEN_ENDS),
        [] => false,
    }
}

/// What two decodes in a row agree on, from the beginning: of a growing clip that is very likely to stay.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    last: Vec<String>,
    agreed: usize,
}

impl Agreement {
    /// Takes the newest decode; returns the part of it that is agreed on by now. What was agreed on before is not given up.
    pub fn next<'a>(&mut self, text: &'a str) -> &'a str {
        let words: Vec<&str> = text.split_whitespace().collect();
        let same = |(one, other): &(&&str, &String)| plain(one) == plain(other);
        let agreed = words.iter().zip(&self.last).take_while(same).count();
        self.agreed = self.agreed.max(agreed).min(words.len());
        self.last = words.iter().map(|word| (*word).to_owned()).collect();
        match self.agreed.checked_sub(1).and_then(|last| words.get(last)) {
            Some(last) => &text[..last.as_ptr() as usize - text.as_ptr() as usize + last.len()],
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_that_ask_for_more() {
        for (text, open) in [
            ("", false),
            ("What is seven times eight?", false),
            ("Turn on the light.", false),
            ("I would like to go to the", true),
            ("Remind me to call Anna and", true),
            ("Well, um...", true),
            ("First, second,", true),
            ("My number is 5 5 5", true),
            ("It is zero seven nine", true),
            ("It is room 42.", false),
            ("Is it 5 or 5 5?", false),
        ] {
            assert_eq!(are_left_open(text), open, "{text:?}");
        }
    }

    #[test]
    fn agreement_grows_and_is_not_given_up() {
        let mut agreement = Agreement::default();
        assert_eq!(agreement.next("What is"), "");
        assert_eq!(agreement.next("What is the wet"), "What is");
        assert_eq!(agreement.next("What is the weather in"), "What is the");
        assert_eq!(agreement.next("what is the weather like"), "what is the weather");
        assert_eq!(agreement.next("What was"), "What was", "no longer than the text itself");
    }

    proptest! {
        #[test]
        fn what_is_agreed_on_is_a_beginning(texts in prop::collection::vec("[a-c ]{0,12}|\\PC{0,12}", 0..8)) {
            let mut agreement = Agreement::default();
            for text in &texts {
                prop_assert!(text.trim_start().starts_with(agreement.next(text).trim_start()));
            }
        }
    }
}
