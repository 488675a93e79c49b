//! Comparing what was said with what was heard, as words.

/// Lower-case words without punctuation; small numbers as digits, because a transcript may write them either way.
pub fn words(text: &str) -> Vec<String> {
    const NUMBERS: [&str; 13] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    text.split(|character: char| !character.is_alphanumeric() && character != '\'')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let word = word.to_lowercase();
            NUMBERS.iter().position(|number| *number == word).map_or(word, |number| number.to_string())
        })
        .collect()
}

/// The share of `expected`'s words that `heard` has too, from 0 to 1.
pub fn overlap(expected: &str, heard: &str) -> f64 {
    let (expected, heard) = (words(expected), words(heard));
    let found = expected.iter().filter(|word| heard.contains(word)).count();
    found as f64 / expected.len().max(1) as f64
}

#[test]
fn overlap_is_about_words() {
    assert_eq!(overlap("Seven times eight equals 56.", "7 times 8 equals 56"), 1.0);
    assert_eq!(overlap("good morning", "good evening"), 0.5);
    assert_eq!(overlap("hello", ""), 0.0);
}
