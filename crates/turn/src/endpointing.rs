//! How long a silence must last to be the end: from little, when voice and words say that the person is done, to two
//! seconds, when they clearly are not.
//!
//! Three things count. How it sounded: a network's probability that the person is done. What was said: an "and" or half a
//! number asks for more. And who speaks: pauses after which this person went on before are waited for again, unless the voice
//! is sure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::words::are_left_open;

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
            shortest: Duration::from_millis(600),
            longest: Duration::from_millis(2_000),
            open_words: Duration::from_millis(1_200),
            without_model: Duration::from_millis(500),
        }
    }
}

/// From here on the voice is sure, one way or the other. Measured on the recordings in `tests/audio`, cut at their words.
const SURELY_DONE: f32 = 0.9;
const SURELY_NOT: f32 = 0.1;
/// Pauses of one speaker that are remembered.
const REMEMBERED: usize = 6;

/// What is known of a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence<'a> {
    /// That the person is done, by their voice: 0 to 1. `None` without a model.
    pub done: Option<f32>,
    /// What they said so far.
    pub words: &'a str,
}

impl Silence<'_> {
    /// Whether an answer to these words is worth making before the silence has lasted: unless voice or words are against it.
    pub fn is_likely_the_end(&self) -> bool {
        !self.words.is_empty() && !are_left_open(self.words) && self.done.is_none_or(|done| done >= SURELY_NOT)
    }
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
        let is_open = are_left_open(silence.words);
        let by_voice = silence.done.map_or(without_model, |done| between(shortest, longest, done));
        let is_sure = silence.done.is_some_and(|done| done >= SURELY_DONE) && !is_open;
        let by_words = if is_open { open_words } else { Duration::ZERO };
        let by_habit = if is_sure { Duration::ZERO } else { self.habit() };
        by_voice.max(by_words).max(by_habit).min(longest.max(by_voice))
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

/// Equal steps of certainty are equal factors of time.
fn between(shortest: Duration, longest: Duration, done: f32) -> Duration {
    let share = ((done - SURELY_NOT) / (SURELY_DONE - SURELY_NOT)).clamp(0.0, 1.0);
    // Not a number is not sure.
    let share = if share.is_nan() { 0.0 } else { share };
    let ratio = shortest.as_secs_f32().max(0.001) / longest.as_secs_f32().max(0.001);
    Duration::from_millis((longest.as_secs_f32() * ratio.powf(share) * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn wait(done: Option<f32>, words: &str) -> u128 {
        Endpointing::new(Options::default()).wait(&Silence { done, words }).as_millis()
    }

    #[test]
    fn the_wait_follows_voice_and_words() {
        assert_eq!(wait(Some(0.99), "Turn on the light."), 600);
        assert_eq!(wait(Some(0.01), "Turn on the light."), 2_000);
        assert!((1_000..1_200).contains(&wait(Some(0.5), "Turn on the light.")));
        assert_eq!(wait(None, "Turn on the light."), 500);
        assert_eq!(wait(Some(0.99), "Turn on the light and"), 1_200, "the words know better");
        assert_eq!(wait(None, "Um..."), 1_200);
        assert_eq!(wait(Some(0.01), ""), 600, "nobody waits for an answer to a noise");
        assert_eq!(wait(Some(f32::NAN), "Turn on the light."), 2_000);
    }

    #[test]
    fn somebody_who_speaks_slowly_is_waited_for() {
        let mut endpointing = Endpointing::new(Options::default());
        let unsure = Silence { done: Some(0.6), words: "I went there." };
        let before = endpointing.wait(&unsure);
        endpointing.went_on_after(ms(1_100));
        assert_eq!(endpointing.wait(&unsure), before, "once is no habit");
        endpointing.went_on_after(ms(1_200));
        assert_eq!(endpointing.wait(&unsure), ms(1_320));
        assert_eq!(endpointing.wait(&Silence { done: Some(0.95), ..unsure }), ms(600), "a sure voice needs no waiting");
        for _ in 0..REMEMBERED {
            endpointing.went_on_after(ms(200));
        }
        assert_eq!(endpointing.wait(&unsure), before, "habits change");
    }

    #[test]
    fn what_is_worth_an_answer_ahead() {
        let likely = |done, words| Silence { done, words }.is_likely_the_end();
        assert!(likely(Some(0.5), "Turn on the light.") && likely(None, "Turn on the light."));
        assert!(
            !likely(Some(0.05), "Turn on the light.") && !likely(Some(0.9), "Turn on the") && !likely(Some(0.9), "")
        );
    }

    proptest! {
        #[test]
        fn a_surer_voice_is_never_waited_for_longer(one in 0.0f32..1.0, other in 0.0f32..1.0, words in "[a-z]{1,9}( [a-z]{1,9}){0,3}") {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(wait(Some(less), &words) >= wait(Some(more), &words));
            prop_assert!((600..=2_000).contains(&wait(Some(one), &words)));
        }
    }
}
