//! How long a silence must last to be the end: from little, when voice and words say that the person is done, to two
//! seconds, when they clearly are not.
//!
//! Four things count. How it sounded: a network's probability that the person is done. What was said: an "and" or half a
//! number asks for more. Whether a sentence may end there, as the language model has it: half a sentence is waited for however
//! it sounded, and after a whole one the voice need not be sure. And who speaks: pauses after which this person went on before
//! are waited for again, unless voice and words are sure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::words::{are_left_open, is_question, plain};

/// All knobs; each is a setting of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// When the voice is sure that the person is done. On two cores an answer takes longer than this to make, so that it costs
    /// nothing; with a GPU less will do.
    pub shortest: Duration,
    /// When it is sure that they are not.
    pub longest: Duration,
    /// At least so much when the words ask for more.
    pub open_words: Duration,
    /// When nothing is known of the voice: a plain debounce.
    pub without_model: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(800),
            longest: Duration::from_millis(2_000),
            open_words: Duration::from_millis(1_500),
            without_model: Duration::from_millis(500),
        }
    }
}

/// From here on the voice is sure, one way or the other. Measured on the recordings in `tests/audio`, cut at their words.
const SURELY_DONE: f32 = 0.9;
const SURELY_NOT: f32 = 0.1;
/// Sentences go on where a language model puts less than the first on their end, and may end from the second on. Measured with
/// a model of half a billion parameters on 131 whole and broken-off sentences: at the first, 127 fall on the right side.
const GOES_ON: f32 = 0.04;
const MAY_END: f32 = 0.12;
/// From here on a sentence is whole, and nobody need sound done.
const IS_WHOLE: f32 = 0.3;
/// Of fewer words any may be all.
const FEWEST_WORDS: usize = 3;
/// Pauses of one speaker that are remembered.
const REMEMBERED: usize = 6;

/// What is known of a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence<'a> {
    /// That the person is done, by their voice: 0 to 1. `None` without a model.
    pub done: Option<f32>,
    /// What they said so far.
    pub words: &'a str,
    /// That a sentence ends after these words, by the language model: 0 to 1. `None` where it was not asked, or knows nothing.
    pub sentence_ends: Option<f32>,
}

impl Silence<'_> {
    /// Whether an answer to these words is worth making before the silence has lasted: unless voice or words are against it.
    pub fn is_likely_the_end(&self) -> bool {
        !self.words.is_empty() && !self.is_open() && self.done.is_none_or(|done| done >= SURELY_NOT)
    }

    fn is_open(&self) -> bool {
        are_left_open(self.words) || self.sentence_ends.is_some_and(|ends| ends < GOES_ON)
    }

    fn is_whole(&self) -> bool {
        let ends = self.sentence_ends.is_some_and(|ends| ends >= IS_WHOLE);
        is_question(self.words) || ends && !are_left_open(self.words)
    }
}

/// Whether the language model's opinion of the words could change anything: they don't say by themselves that they are whole or
/// that they are not.
pub fn are_worth_a_question(words: &str) -> bool {
    plain(words).len() >= FEWEST_WORDS && !is_question(words) && !are_left_open(words)
}

/// The policy of one lane, which gets to know its speaker.
#[derive(Debug, Clone)]
pub struct Endpointing {
    options: Options,
    /// The latest pauses after which the person went on.
    pauses: VecDeque<Duration>,
}

impl Endpointing {
    pub const fn new(options: Options) -> Self {
        Self { options, pauses: VecDeque::new() }
    }

    /// How long this silence must last, from the last speech on, to be the end.
    pub fn wait(&self, silence: &Silence<'_>) -> Duration {
        let Options { shortest, longest, open_words, without_model } = self.options;
        if silence.words.is_empty() {
            // A noise: nobody waits for an answer.
            return silence.done.map_or(without_model, |_| shortest);
        }
        let (is_open, is_whole) = (silence.is_open(), silence.is_whole());
        let by_voice = silence.done.map_or(without_model, |done| match sureness(done) {
            // The words say what the voice leaves open, and half of what it denies.
            sure if is_whole => falling(longest, shortest, if sure > 0.0 { 1.0 } else { 0.5 }),
            sure => falling(longest, shortest, sure),
        });
        let by_words = match silence.sentence_ends {
            _ if is_open => open_words,
            Some(ends) if ends >= MAY_END => Duration::ZERO,
            Some(ends) => falling(open_words, shortest, (ends / GOES_ON).ln() / (MAY_END / GOES_ON).ln()),
            None => Duration::ZERO,
        };
        let is_sure = !is_open && silence.done.is_some_and(|done| done >= SURELY_DONE || is_whole && done > SURELY_NOT);
        let by_habit = if is_sure { Duration::ZERO } else { self.habit() };
        by_voice.max(by_words).max(by_habit).min(longest.max(by_voice))
    }

    /// How long a silence of somebody who is surely not done must last.
    pub const fn longest(&self) -> Duration {
        self.options.longest
    }

    /// The person paused for so long and went on.
    pub fn went_on_after(&mut self, pause: Duration) {
        if self.pauses.len() == REMEMBERED {
            self.pauses.pop_front();
        }
        self.pauses.push_back(pause.min(self.options.longest));
    }

    /// Somewhat more than the second longest of the latest pauses: a single long one is no habit.
    fn habit(&self) -> Duration {
        let mut pauses: Vec<_> = self.pauses.iter().copied().collect();
        pauses.sort_unstable();
        pauses.iter().rev().nth(1).map_or(Duration::ZERO, |pause| *pause * 6 / 5)
    }
}

/// How sure the voice is that the person is done, from not at all to entirely.
fn sureness(done: f32) -> f32 {
    ((done - SURELY_NOT) / (SURELY_DONE - SURELY_NOT)).clamp(0.0, 1.0)
}

/// From one time down to another: equal steps of `share` are equal factors of time.
fn falling(from: Duration, to: Duration, share: f32) -> Duration {
    // Not a number is not sure.
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let ratio = to.as_secs_f32().max(0.001) / from.as_secs_f32().max(0.001);
    Duration::from_millis((from.as_secs_f32() * ratio.powf(share) * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn wait(done: Option<f32>, words: &str) -> u128 {
        wait_asked(done, words, None)
    }

    fn wait_asked(done: Option<f32>, words: &str, sentence_ends: Option<f32>) -> u128 {
        Endpointing::new(Options::default()).wait(&Silence { done, words, sentence_ends }).as_millis()
    }

    #[test]
    fn the_wait_follows_voice_and_words() {
        assert_eq!(wait(Some(0.99), "Turn on the light."), 800);
        assert_eq!(wait(Some(0.01), "Turn on the light."), 2_000);
        assert!((1_200..1_300).contains(&wait(Some(0.5), "Turn on the light.")));
        assert_eq!(wait(None, "Turn on the light."), 500);
        assert_eq!(wait(Some(0.99), "Turn on the light and"), 1_500, "the words know better");
        assert_eq!(wait(None, "Um..."), 1_500);
        assert_eq!(wait(Some(0.01), ""), 800, "nobody waits for an answer to a noise");
        assert_eq!(wait(Some(f32::NAN), "Turn on the light."), 2_000);
    }

    #[test]
    fn half_a_sentence_is_waited_for_and_a_whole_one_is_not() {
        let (half, whole) = ("And so my fellow Americans.", "Remind me to buy milk.");
        assert_eq!(wait_asked(Some(0.99), half, Some(0.03)), 1_500, "however it sounded");
        assert_eq!(wait_asked(Some(0.01), half, Some(0.03)), 2_000);
        assert!((1_100..1_300).contains(&wait_asked(Some(0.99), half, Some(0.06))), "neither half nor whole");
        for ends in [0.15, 0.9] {
            assert_eq!(wait_asked(Some(0.99), whole, Some(ends)), 800);
        }
        assert_eq!(wait_asked(Some(0.3), whole, Some(0.9)), 800, "who is not sure believes the words");
        assert_eq!(wait_asked(Some(0.3), "Is it raining?", None), 800, "a question is whole");
        assert!((1_200..1_300).contains(&wait_asked(Some(0.01), whole, Some(0.9))), "voice and words disagree");
        assert_eq!(wait_asked(Some(0.99), whole, Some(f32::NAN)), 1_500);
        assert_eq!(wait_asked(Some(0.99), whole, Some(0.0)), 1_500);
        assert_eq!(wait_asked(None, whole, Some(0.9)), 500);
        for (words, worth) in
            [("Remind me to buy milk.", true), ("Stop.", false), ("Is it raining?", false), ("Turn on the", false)]
        {
            assert_eq!(are_worth_a_question(words), worth, "{words:?}");
        }
    }

    #[test]
    fn somebody_who_speaks_slowly_is_waited_for() {
        let mut endpointing = Endpointing::new(Options::default());
        let unsure = Silence { done: Some(0.6), words: "I went there.", sentence_ends: None };
        let before = endpointing.wait(&unsure);
        endpointing.went_on_after(ms(1_100));
        assert_eq!(endpointing.wait(&unsure), before, "once is no habit");
        endpointing.went_on_after(ms(1_200));
        assert_eq!(endpointing.wait(&unsure), ms(1_320));
        assert_eq!(endpointing.wait(&Silence { done: Some(0.95), ..unsure }), ms(800), "a sure voice needs no waiting");
        for _ in 0..REMEMBERED {
            endpointing.went_on_after(ms(200));
        }
        assert_eq!(endpointing.wait(&unsure), before, "habits change");
    }

    #[test]
    fn what_is_worth_an_answer_ahead() {
        let likely = |done, words| Silence { done, words, sentence_ends: None }.is_likely_the_end();
        assert!(likely(Some(0.5), "Turn on the light.") && likely(None, "Turn on the light."));
        assert!(
            !likely(Some(0.05), "Turn on the light.") && !likely(Some(0.9), "Turn on the") && !likely(Some(0.9), "")
        );
        assert!(
            !Silence { done: Some(0.9), words: "And so my friends.", sentence_ends: Some(0.01) }.is_likely_the_end()
        );
    }

    proptest! {
        #[test]
        fn a_surer_voice_is_never_waited_for_longer(one in 0.0f32..1.0, other in 0.0f32..1.0, words in "[a-z]{1,9}( [a-z]{1,9}){0,3}") {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(wait(Some(less), &words) >= wait(Some(more), &words));
            prop_assert!((800..=2_000).contains(&wait(Some(one), &words)));
            let asked = |done, ends| wait_asked(Some(done), &words, Some(ends));
            prop_assert!(asked(less, other) >= asked(more, other) && asked(other, less) >= asked(other, more));
            prop_assert!((800..=2_000).contains(&asked(one, other)));
        }
    }
}
