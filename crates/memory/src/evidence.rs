//! Whether what a language model found in a person's words may be held to be true of them. Pure.
//!
//! Models make things up, and obey what they read. So a fact must show the words that it rests on, these words must be the
//! person's own, and what the fact says must mostly be said with words of theirs. What holds by this may still be
//! misunderstood; it can't come from anywhere else.

/// Longest fact, in characters: a sentence.
const LONGEST_TEXT: usize = 200;
/// Longest quotation, in characters.
const LONGEST_QUOTE: usize = 500;
/// As near as another way to say the same.
const SAME: f32 = 0.9;
/// Words that say nothing by themselves.
const EMPTY_WORDS: [&str; 55] = [
    "a", "about", "also", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does", "for",
    "from", "had", "has", "have", "her", "his", "i", "id", "ill", "im", "in", "is", "it", "its", "ive", "me", "mine",
    "my", "of", "on", "one", "or", "our", "person", "she", "that", "the", "their", "there", "they", "this", "to",
    "user", "was", "we", "who", "with", "you",
];
const NEGATIONS: [&str; 12] =
    ["not", "no", "never", "none", "nothing", "dont", "doesnt", "isnt", "wasnt", "cant", "wont", "didnt"];

/// A fact and the words it rests on, as a language model gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    pub quote: String,
}

/// Why a statement is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    Empty,
    TooLong,
    /// Somebody who asks does not tell.
    Question,
    /// The quotation is not what the person said.
    NotSaid,
    /// It says something else than they did.
    Unfounded,
    /// It is known already.
    Known,
}

impl Dropped {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Question => "question",
            Self::NotSaid => "not_said",
            Self::Unfounded => "unfounded",
            Self::Known => "known",
        }
    }
}

/// Whether it holds, given all that the person said in the turn.
pub fn judge(statement: &Statement, said: &str) -> Result<(), Dropped> {
    let Statement { text, quote } = statement;
    let (told, quoted) = (words(text), words(quote));
    if told.is_empty() || quoted.is_empty() {
        return Err(Dropped::Empty);
    }
    if text.chars().count() > LONGEST_TEXT || quote.chars().count() > LONGEST_QUOTE {
        return Err(Dropped::TooLong);
    }
    let said = words(said);
    let mut places = said.windows(quoted.len()).filter(|place| spelled(place).eq(spelled(&quoted))).peekable();
    if places.peek().is_none() {
        return Err(Dropped::NotSaid);
    }
    // Said once without a question mark is said.
    let is_asked = places.all(|place| place.last().is_some_and(|word| word.asks));
    if is_asked || text.trim_end().ends_with('?') || quote.trim_end().ends_with('?') {
        return Err(Dropped::Question);
    }
    if is_founded(&told, &said) { Ok(()) } else { Err(Dropped::Unfounded) }
}

/// At least half of what it says is said in the person's words, and every number is.
fn is_founded(told: &[Word], said: &[Word]) -> bool {
    let is_theirs = |word: &&str| said.iter().any(|other| stem(&other.text) == stem(word));
    let meant: Vec<_> = spelled(told).filter(|word| !EMPTY_WORDS.contains(word)).collect();
    let theirs = meant.iter().filter(|word| is_theirs(word)).count();
    theirs > 0 && theirs * 2 >= meant.len() && meant.iter().filter(|word| is_number(word)).all(is_theirs)
}

/// Whether two facts are one, given the cosine between them. Another number or a "not" makes another fact of nearly the same
/// words.
pub fn says_the_same(one: &str, other: &str, similarity: f32) -> bool {
    let (one, other) = (words(one), words(other));
    if spelled(&one).eq(spelled(&other)) {
        return true;
    }
    let numbers = |words: &[Word]| {
        let mut numbers: Vec<_> = spelled(words).filter(|word| is_number(word)).map(str::to_owned).collect();
        numbers.sort_unstable();
        numbers
    };
    let is_negated = |words: &[Word]| spelled(words).any(|word| NEGATIONS.contains(&word));
    similarity >= SAME && numbers(&one) == numbers(&other) && is_negated(&one) == is_negated(&other)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// In lower case, without apostrophes.
    text: String,
    /// A question mark follows.
    asks: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut is_open = false;
    for character in text.chars() {
        match character {
            '\'' | '’' => {}
            _ if character.is_alphanumeric() => {
                if !is_open {
                    words.push(Word { text: String::new(), asks: false });
                    is_open = true;
                }
                if let Some(word) = words.last_mut() {
                    word.text.extend(character.to_lowercase());
                }
            }
            _ => {
                is_open = false;
                if let Some(word) = words.last_mut().filter(|_| character == '?') {
                    word.asks = true;
                }
            }
        }
    }
    words
}

fn spelled(words: &[Word]) -> impl Iterator<Item = &str> {
    words.iter().map(|word| word.text.as_str())
}

/// Without what a plural or a third person adds.
fn stem(word: &str) -> &str {
    word.strip_suffix('s').filter(|stem| stem.chars().count() > 2).unwrap_or(word)
}

fn is_number(word: &str) -> bool {
    word.chars().any(|character| character.is_numeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(text: &str, quote: &str, said: &str) -> Result<(), Dropped> {
        judge(&Statement { text: text.to_owned(), quote: quote.to_owned() }, said)
    }

    #[test]
    fn a_fact_holds_if_the_person_said_it() {
        let said = "Well, I've got a dog called Rex - and I'm a nurse in Ulm. Do you like tea? My shoe size is 42.";
        for (text, quote) in [
            ("I have a dog called Rex.", "I've got a dog called Rex"),
            ("I have a dog called Rex.", "ive got  A DOG, called rex!"),
            ("I work as a nurse in Ulm.", "I’m a nurse in Ulm"),
            ("My shoe size is 42.", "my shoe size is 42"),
        ] {
            assert_eq!(judged(text, quote, said), Ok(()), "{text}: {quote}");
        }
        for (text, quote, dropped) in [
            ("", "I've got a dog", Dropped::Empty),
            ("I have a dog.", "…", Dropped::Empty),
            (&"dog ".repeat(60), "I've got a dog", Dropped::TooLong),
            ("I have a dog.", &"a dog ".repeat(100), Dropped::TooLong),
            ("I have a cat.", "I've got a cat", Dropped::NotSaid),
            ("I have a dog.", "got a dog Rex", Dropped::NotSaid),
            ("I have a dog.", "go", Dropped::NotSaid),
            ("I like tea.", "Do you like tea", Dropped::Question),
            ("Do I have a dog?", "I've got a dog", Dropped::Question),
            ("My password is hunter2.", "I've got a dog", Dropped::Unfounded),
            ("My dog Rex has the password hunter2.", "a dog called Rex", Dropped::Unfounded),
            ("My shoe size is 43.", "My shoe size is 42", Dropped::Unfounded),
            ("I have it.", "I've got a dog", Dropped::Unfounded),
        ] {
            assert_eq!(judged(text, quote, said), Err(dropped), "{text}: {quote}");
        }
        assert_eq!(judged("I like tea.", "like tea", "Do I like tea? I like tea."), Ok(()));
        assert_eq!(judged("I like tea.", "I like tea", ""), Err(Dropped::NotSaid));
    }

    #[test]
    fn another_number_or_a_not_is_another_fact() {
        for (one, other, similarity, same) in [
            ("I have a dog.", "i have a DOG", 0.1, true),
            ("I have a dog called Rex.", "My dog is called Rex.", 0.95, true),
            ("I have a dog called Rex.", "I have a dog.", 0.8, false),
            ("My locker is 42.", "My locker is 43.", 0.98, false),
            ("I like tea.", "I don't like tea.", 0.95, false),
        ] {
            assert_eq!(says_the_same(one, other, similarity), same, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_between_them_the_same_words_are_the_same(
            said in prop::collection::vec("[a-zäöü]{1,8}", 1..12),
            from in 0usize..12,
            length in 1usize..12,
            between in "[ .,;:!-]{1,4}",
        ) {
            let from = from.min(said.len() - 1);
            let part = &said[from..said.len().min(from + length)];
            let quote = part.join(&between).to_uppercase();
            let quoted = Statement { text: quote.clone(), quote };
            prop_assert!(!matches!(judge(&quoted, &said.join(" ")), Err(Dropped::NotSaid | Dropped::Empty)));
        }

        #[test]
        fn a_word_that_was_not_said_is_no_quotation(said in "[a-y ?.]{0,80}", quote in "[a-y ]{0,20}z[a-y ]{0,20}") {
            let judged = judge(&Statement { text: "x".to_owned(), quote }, &said);
            prop_assert_eq!(judged, Err(Dropped::NotSaid));
        }

        #[test]
        fn nothing_that_a_model_writes_is_too_much(text in "\\PC*", quote in "\\PC*", said in "\\PC*", similarity: f32) {
            let _ = judge(&Statement { text: text.clone(), quote: quote.clone() }, &said);
            let _ = says_the_same(&text, &quote, similarity);
        }
    }
}
