//! What a participant is saying: the samples, with a little of what came before them, and the words of those that are settled.
//!
//! Words of a long utterance are settled where the person paused in it: nothing that is said later changes them, so only what
//! follows is transcribed from then on, and a speech of a minute is not decoded again and again from its beginning.

use std::collections::VecDeque;

/// Samples per second in here.
pub const SAMPLE_RATE_HZ: usize = 16_000;
/// Kept from before the voice was noticed: the first consonant is quieter than the threshold.
const PREROLL: usize = SAMPLE_RATE_HZ * 3 / 10;
/// What is kept of one utterance; older samples are dropped. Two minutes.
const LONGEST: usize = SAMPLE_RATE_HZ * 120;
/// Less is not settled: below this, what is decoded again costs nothing, because the encoder takes no less.
const WORTH_SETTLING: usize = SAMPLE_RATE_HZ * 5;

/// A rolling buffer that becomes an utterance when told that speech began.
#[derive(Debug, Default)]
pub struct Utterance {
    samples: VecDeque<f32>,
    open: bool,
    /// The first so many samples are transcribed for good, as these words.
    settled_samples: usize,
    settled: String,
}

impl Utterance {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, samples: &[f32]) {
        self.samples.extend(samples);
        let limit = if self.open { LONGEST } else { PREROLL };
        let excess = self.samples.len().saturating_sub(limit);
        self.samples.drain(..excess);
        self.settled_samples = self.settled_samples.saturating_sub(excess);
    }

    /// Speech is going on: keep everything from the pre-roll on.
    pub const fn open(&mut self) {
        self.open = true;
    }

    /// The utterance is over: only the pre-roll of the next is kept.
    pub fn close(&mut self) {
        self.open = false;
        self.settled_samples = 0;
        self.settled.clear();
        self.push(&[]);
    }

    /// The voice begins again after a pause, up to which all of it says `words`: they are settled, if it is long enough.
    pub fn settle(&mut self, words: &str) {
        let end = self.samples.len().saturating_sub(PREROLL);
        if end >= self.settled_samples + WORTH_SETTLING && !words.is_empty() {
            self.settled_samples = end;
            words.clone_into(&mut self.settled);
        }
    }

    /// What is to be transcribed: from the settled part, or the pre-roll, to now.
    pub fn unsettled(&self) -> Vec<f32> {
        self.samples.range(self.settled_samples..).copied().collect()
    }

    /// All words, where the unsettled samples say these.
    pub fn words(&self, unsettled: &str) -> String {
        match (self.settled.as_str(), unsettled) {
            ("", words) | (words, "") => words.to_owned(),
            (settled, words) => format!("{settled} {words}"),
        }
    }

    /// The newest samples, at most so many.
    pub fn newest(&self, most: usize) -> Vec<f32> {
        self.samples.range(self.samples.len().saturating_sub(most)..).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_forgotten_and_speech_is_kept_with_its_first_consonant() {
        let mut utterance = Utterance::new();
        utterance.push(&vec![0.0; 50_000]);
        utterance.open();
        utterance.push(&vec![1.0; 50_000]);
        assert_eq!(utterance.unsettled().len(), PREROLL + 50_000);
        utterance.close();
        assert_eq!(utterance.unsettled(), vec![1.0; PREROLL]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut utterance = Utterance::new();
        utterance.open();
        for second in 0..200 {
            utterance.push(&vec![0.5; SAMPLE_RATE_HZ]);
            if second == 100 {
                utterance.settle("so far");
            }
        }
        assert_eq!((utterance.newest(usize::MAX).len(), utterance.newest(7).len()), (LONGEST, 7));
        // 101 s but for the pre-roll were settled, and 80 s of them are dropped.
        assert_eq!(utterance.unsettled().len(), 99 * SAMPLE_RATE_HZ + PREROLL);
    }

    #[test]
    fn what_is_long_enough_is_settled_at_a_pause() {
        let mut utterance = Utterance::new();
        utterance.open();
        utterance.push(&vec![0.5; SAMPLE_RATE_HZ * 5]);
        utterance.settle("Too short");
        assert_eq!(
            (utterance.words("all of it"), utterance.unsettled().len()),
            ("all of it".to_owned(), SAMPLE_RATE_HZ * 5)
        );
        utterance.push(&vec![0.5; SAMPLE_RATE_HZ]);
        utterance.settle("");
        assert_eq!(utterance.unsettled().len(), SAMPLE_RATE_HZ * 6, "nothing is known of it");
        utterance.settle("Once upon a time");
        assert_eq!(utterance.unsettled().len(), PREROLL);
        assert_eq!(
            (utterance.words(""), utterance.words("there was")),
            ("Once upon a time".to_owned(), "Once upon a time there was".to_owned())
        );
        utterance.push(&vec![0.5; SAMPLE_RATE_HZ * 6]);
        utterance.settle(&utterance.words("there was"));
        assert_eq!(utterance.words("a king."), "Once upon a time there was a king.");
        utterance.close();
        assert_eq!(utterance.words("Another"), "Another");
    }
}
