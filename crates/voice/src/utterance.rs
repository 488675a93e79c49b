//! The samples of what a participant is saying, with a little of what came before it.

use std::collections::VecDeque;

/// Samples per second in here.
pub const SAMPLE_RATE_HZ: usize = 16_000;
/// Kept from before the voice was noticed: the first consonant is quieter than the threshold.
const PREROLL: usize = SAMPLE_RATE_HZ * 3 / 10;
/// What is kept of one utterance; older samples are dropped. Two minutes.
const LONGEST: usize = SAMPLE_RATE_HZ * 120;

/// A rolling buffer that becomes an utterance when told that speech began.
#[derive(Debug, Default)]
pub struct Utterance {
    samples: VecDeque<f32>,
    open: bool,
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
    }

    /// Speech is going on: keep everything from the pre-roll on.
    pub const fn open(&mut self) {
        self.open = true;
    }

    /// The utterance is over: only the pre-roll of the next is kept.
    pub fn close(&mut self) {
        self.open = false;
        self.push(&[]);
    }

    /// From the pre-roll to now.
    pub fn samples(&self) -> Vec<f32> {
        self.samples.iter().copied().collect()
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
        assert_eq!(utterance.samples().len(), PREROLL + 50_000);
        utterance.close();
        assert_eq!(utterance.samples(), vec![1.0; PREROLL]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut utterance = Utterance::new();
        utterance.open();
        for _ in 0..200 {
            utterance.push(&vec![0.5; SAMPLE_RATE_HZ]);
        }
        assert_eq!(utterance.samples().len(), LONGEST);
    }
}
