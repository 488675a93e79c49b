//! When to read ahead: the words of a turn that is not over yet. Pure; the time comes in with every question.

use std::time::{Duration, Instant};

use crate::input::Words;

/// So many words say something worth recalling for.
const ENOUGH_TO_RECALL: usize = 3;

/// What a person has said so far, and what of it the model's server has been shown.
#[derive(Debug)]
pub struct Draft {
    generation: u32,
    words: String,
    pause: Duration,
    /// What the last reading-ahead showed.
    shown: Option<String>,
    reading: bool,
    not_before: Option<Instant>,
}

/// What to do about reading ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Show the server these words.
    Read(String),
    /// Ask again at this time.
    Wait(Instant),
    /// Ask again when something has happened.
    Nothing,
}

impl Draft {
    pub const fn new(generation: u32, words: String, pause: Duration) -> Self {
        Self { generation, words, pause, shown: None, reading: false, not_before: None }
    }

    pub const fn generation(&self) -> u32 {
        self.generation
    }

    pub fn words(&self) -> &str {
        &self.words
    }

    pub fn is_enough_to_recall(&self) -> bool {
        self.words.split_whitespace().nth(ENOUGH_TO_RECALL - 1).is_some()
    }

    /// New words of this attempt or of a newer one.
    pub fn update(&mut self, words: Words) {
        self.generation = words.generation;
        self.words = words.text;
    }

    pub fn step(&self, now: Instant) -> Step {
        if self.reading || self.shown.as_deref() == Some(&self.words) {
            return Step::Nothing;
        }
        match self.not_before {
            Some(at) if now < at => Step::Wait(at),
            _ => Step::Read(self.words.clone()),
        }
    }

    /// A reading-ahead of `words` has begun. Only one runs at a time: two would compete for the same slot of the server.
    pub fn begun(&mut self, words: String, now: Instant) {
        self.reading = true;
        self.shown = Some(words);
        self.not_before = Some(now + self.pause);
    }

    pub const fn ended(&mut self) {
        self.reading = false;
    }

    /// What was recalled has changed, so the prompt is another one.
    pub fn forget_shown(&mut self) {
        self.shown = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(200);

    #[test]
    fn words_are_read_ahead_one_reading_at_a_time() {
        let now = Instant::now();
        let mut draft = Draft::new(0, "what".into(), PAUSE);
        assert_eq!(draft.step(now), Step::Read("what".into()));
        draft.begun("what".into(), now);
        draft.update(Words { generation: 1, text: "what is".into() });
        assert_eq!((draft.words(), draft.generation()), ("what is", 1));
        assert_eq!(draft.step(now + PAUSE), Step::Nothing, "one is running");
        draft.ended();
        assert_eq!(draft.step(now + PAUSE / 2), Step::Wait(now + PAUSE));
        assert_eq!(draft.step(now + PAUSE), Step::Read("what is".into()));
        draft.begun("what is".into(), now + PAUSE);
        draft.ended();
        assert_eq!(draft.step(now + PAUSE * 9), Step::Nothing, "nothing new was said");
        draft.forget_shown();
        assert_eq!(draft.step(now + PAUSE * 9), Step::Read("what is".into()));
    }

    #[test]
    fn three_words_are_enough_to_recall_for() {
        for (words, enough) in [("", false), ("what is ", false), ("what is my", true), ("a b c d", true)] {
            assert_eq!(Draft::new(0, words.into(), PAUSE).is_enough_to_recall(), enough, "{words:?}");
        }
    }
}
