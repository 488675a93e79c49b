//! What the words so far tell, without a model: whether they ask for more.

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
    please very really not can could should would will must may might shall has have had";
const NUMBERS: &str = "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety";

/// Whisper hears a question in its words and in its voice.
pub(crate) fn is_question(text: &str) -> bool {
    text.trim_end().ends_with('?')
}

/// Whether the words can hardly be all: they end in an "um", an "and", an open clause, or in the middle of a number that is
/// being dictated.
pub fn are_left_open(text: &str) -> bool {
    if is_question(text) {
        return false;
    }
    let text = text.trim_end();
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

#[cfg(test)]
mod tests {
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
}
