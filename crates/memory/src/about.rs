//! Whether something that was said is about a topic that somebody wants forgotten. Pure.
//!
//! Forgetting can't be taken back, so being near is not enough: either it is very near, or it also has a word of the topic.

/// As near as another way to say the same.
const SAME: f32 = 0.6;
/// Nearer than by chance.
const RELATED: f32 = 0.2;
/// Words that name no topic.
const EMPTY_WORDS: [&str; 24] = [
    "a",
    "about",
    "all",
    "an",
    "and",
    "any",
    "everything",
    "for",
    "from",
    "i",
    "in",
    "is",
    "it",
    "me",
    "mine",
    "my",
    "of",
    "on",
    "that",
    "the",
    "thing",
    "things",
    "to",
    "what",
];

/// `similarity` is the cosine between the two.
pub fn is_about(topic: &str, text: &str, similarity: f32) -> bool {
    similarity >= SAME || (similarity >= RELATED && shares_a_word(topic, text))
}

fn shares_a_word(topic: &str, text: &str) -> bool {
    let text: Vec<_> = words(text).collect();
    words(topic).filter(|word| !EMPTY_WORDS.contains(&word.as_str())).any(|word| text.contains(&word))
}

/// In lower case and in the singular, as far as an `s` makes a plural.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| {
        let word = word.to_lowercase();
        match word.strip_suffix('s') {
            Some(singular) if singular.chars().count() > 2 => singular.to_owned(),
            _ => word,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_near_by_chance_is_not_enough() {
        for (topic, text, similarity, expected) in [
            ("my locker", "Remember that my locker number is 42.", 0.4, true),
            ("lockers", "My locker number is 42.", 0.4, true),
            ("my locker", "My dog is called Rex.", 0.3, false),
            ("my locker", "Where did I leave the key for the cupboard?", 0.7, true),
            ("locker", "The locker room smells.", 0.1, false),
            ("what I said", "I said what?", 0.3, true),
            ("it", "It is late.", 0.3, false),
        ] {
            assert_eq!(is_about(topic, text, similarity), expected, "{topic}: {text}");
        }
    }
}
