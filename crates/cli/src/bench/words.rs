//! Comparing what was said with what was understood.

/// What no transcript is expected to have.
const HESITATIONS: [&str; 8] = ["um", "uh", "uhm", "erm", "er", "hm", "hmm", "mm"];
const NUMBERS: [&str; 13] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// How many words are wrong, of how many that were said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Errors {
    pub(super) wrong: usize,
    pub(super) said: usize,
}

impl Errors {
    /// The fewest words to replace, leave out or add that make what was understood of what was said.
    pub(super) fn between(said: &str, understood: &str) -> Self {
        let (said, understood) = (words(said), words(understood));
        let mut before: Vec<usize> = (0..=understood.len()).collect();
        for (row, word) in said.iter().enumerate() {
            let mut now = vec![row + 1];
            for (column, other) in understood.iter().enumerate() {
                let replaced = before[column] + usize::from(word != other);
                now.push(replaced.min(before[column + 1] + 1).min(now[column] + 1));
            }
            before = now;
        }
        Self { wrong: before.last().copied().unwrap_or_default(), said: said.len() }
    }

    /// From 0 on; more than 1 where more was added than was said.
    pub(super) fn share(self) -> f64 {
        self.wrong as f64 / self.said.max(1) as f64
    }

    pub(super) fn add(&mut self, other: Self) {
        self.wrong += other.wrong;
        self.said += other.said;
    }
}

/// Lower-case words without punctuation and hesitation; digits that stand alone or in a row as words, because a transcript may
/// write numbers either way.
fn words(text: &str) -> Vec<String> {
    let pieces = text.split(|character: char| !character.is_alphanumeric() && character != '\'');
    let mut words = Vec::new();
    for piece in pieces.map(str::to_lowercase).filter(|piece| !piece.is_empty()) {
        if HESITATIONS.contains(&piece.as_str()) {
            continue;
        }
        match piece.parse::<usize>() {
            Ok(number) if number > 9 && number < NUMBERS.len() => words.push(NUMBERS[number].to_owned()),
            Ok(_) => words.extend(
                piece
                    .chars()
                    .filter_map(|digit| NUMBERS.get(digit.to_digit(10)? as usize))
                    .map(|word| (*word).to_owned()),
            ),
            Err(_) => words.push(piece),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_in_words() {
        for (said, understood, wrong, of) in [
            ("what is seven times eight", "What is 7 times 8?", 0, 5),
            ("five five five two", "555-2", 0, 4),
            ("I would like, um, to know", "I would like to know.", 0, 5),
            ("good morning", "good evening", 1, 2),
            ("good morning", "", 2, 2),
            ("good morning", "a very good morning", 2, 2),
            ("it's twelve", "It's 12", 0, 2),
            ("the cat sat", "cat sat down", 2, 3),
        ] {
            assert_eq!(Errors::between(said, understood), Errors { wrong, said: of }, "{said:?} as {understood:?}");
        }
    }
}
