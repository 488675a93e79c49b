//! Memories as a prompt shows them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use aether_store::MemoryMatch;
use time::OffsetDateTime;

/// Longest quotation in a prompt, in characters: a memory is a reminder, not a transcript.
const MAX_QUOTED: usize = 240;

/// Something that is held to be true of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub text: String,
    /// They asked to have it kept in mind; otherwise it was found in what they said.
    pub is_asked_for: bool,
    pub kept_at: OffsetDateTime,
}

/// What came to mind for one turn, and how long it took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recollection {
    /// Nearest first.
    pub memories: Vec<MemoryMatch>,
    /// Nearest first.
    pub facts: Vec<Fact>,
    pub embed: Duration,
    pub search: Duration,
}

impl Recollection {
    pub const fn is_empty(&self) -> bool {
        self.memories.is_empty() && self.facts.is_empty()
    }

    /// One line per fact and then per memory, each newest first: of two that disagree a small model believes the first, and
    /// a larger one the dates. `None` when nothing came to mind. `person` is how the person is called, if anybody knows.
    pub fn lines(&self, person: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut facts: Vec<_> = self.facts.iter().collect();
        facts.sort_by_key(|fact| Reverse(fact.kept_at));
        let mut memories: Vec<_> = self.memories.iter().collect();
        memories.sort_by_key(|memory| Reverse(memory.created_at));
        let person = called(person);
        let facts = facts.into_iter().map(|fact| {
            let told = if fact.is_asked_for { "asked you to remember" } else { "told you" };
            format!("- On {} {person} {told}: \"{}\"", fact.kept_at.date(), quotable(&fact.text))
        });
        let lines: Vec<_> = facts.chain(memories.into_iter().map(line)).collect();
        Some(lines.join("\n"))
    }
}

/// The nearest `limit` of `matches`, which come nearest first: not below `minimum_similarity`, and of those that say the same
/// only the nearest, as five copies of one question are one memory.
pub(crate) fn choose(matches: Vec<MemoryMatch>, limit: usize, minimum_similarity: f32) -> Vec<MemoryMatch> {
    let mut said = HashSet::new();
    matches
        .into_iter()
        .filter(|memory| memory.similarity >= minimum_similarity && said.insert(spoken_words(&memory.text)))
        .take(limit)
        .collect()
}

/// A text without what the ear can't tell apart.
fn spoken_words(text: &str) -> String {
    text.to_lowercase()
        .split(|character: char| !character.is_alphanumeric() && character != '\'')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn line(memory: &MemoryMatch) -> String {
    let date = memory.created_at.date();
    let person = called(&memory.person_name);
    let mut line = format!("- On {date} {person} said: \"{}\"", quotable(&memory.text));
    let answer = quotable(&memory.answer);
    if !answer.is_empty() {
        line.push_str(&format!(" You answered: \"{answer}\""));
    }
    line
}

fn called(name: &str) -> String {
    let name = quotable(name);
    if name.is_empty() { "the person".to_owned() } else { name }
}

/// One line without quotation marks, so that what somebody said can't look like a line of the prompt.
fn quotable(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('"', "'");
    match words.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use aether_proto::TurnId;

    use super::*;

    fn memory(text: &str, answer: &str, similarity: f32, at: i64) -> MemoryMatch {
        MemoryMatch {
            turn: TurnId::generate(),
            person_name: "Ada".to_owned(),
            text: text.to_owned(),
            answer: answer.to_owned(),
            created_at: OffsetDateTime::from_unix_timestamp(at).unwrap(),
            similarity,
        }
    }

    fn fact(text: &str, is_asked_for: bool, at: i64) -> Fact {
        Fact { text: text.to_owned(), is_asked_for, kept_at: OffsetDateTime::from_unix_timestamp(at).unwrap() }
    }

    #[test]
    fn the_same_words_come_to_mind_once() {
        let matches = vec![
            memory("What's my name?", "", 0.9, 3),
            memory("what's my name", "", 0.9, 2),
            memory("My name is Ada.", "", 0.6, 1),
            memory("I like tea.", "", 0.1, 0),
        ];
        let chosen = choose(matches.clone(), 5, 0.2);
        assert_eq!(chosen, [matches[0].clone(), matches[2].clone()]);
        assert_eq!(choose(matches.clone(), 1, 0.2), [matches[0].clone()]);
    }

    #[test]
    fn lines_run_from_new_to_old_and_stay_lines() {
        let recollection = Recollection {
            memories: vec![
                memory("My name\nis \"Ada\".", "Nice to meet you.", 0.9, 86_400),
                memory("I like tea.", "", 0.5, 0),
            ],
            facts: vec![
                fact("My locker's number\nis 42.", true, 2),
                fact("I have a dog.", false, 1),
                fact("My locker's number is 41.", true, 0),
            ],
            ..Default::default()
        };
        assert_eq!(
            recollection.lines("Ada").unwrap(),
            "- On 1970-01-01 Ada asked you to remember: \"My locker's number is 42.\"\n\
             - On 1970-01-01 Ada told you: \"I have a dog.\"\n\
             - On 1970-01-01 Ada asked you to remember: \"My locker's number is 41.\"\n\
             - On 1970-01-02 Ada said: \"My name is 'Ada'.\" You answered: \"Nice to meet you.\"\n\
             - On 1970-01-01 Ada said: \"I like tea.\""
        );
        assert_eq!(Recollection::default().lines("Ada"), None);
    }

    #[test]
    fn a_long_memory_is_cut_at_a_character() {
        let long = "ü".repeat(300);
        assert_eq!(quotable(&long).chars().count(), MAX_QUOTED + 1);
    }
}
