//! From voice probabilities, one per 32 ms window, to "speech began" and "speech ended".

/// Thresholds and counts; the defaults are Silero's published ones, the counts measured on recorded speech.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// At or above this probability a window is speech (0 to 1).
    pub begin_threshold: f32,
    /// Below this probability a window is silence (0 to 1). Between the two, nothing changes: speech that fades is still speech.
    pub end_threshold: f32,
    /// So many speech windows in a row begin speech: a click has one.
    pub begin_windows: u32,
    /// So many silent windows in a row end it: a stop consonant has one or two.
    pub end_windows: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { begin_threshold: 0.5, end_threshold: 0.35, begin_windows: 3, end_windows: 3 }
    }
}

/// What a window changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Speech began with the first of the last `windows` windows.
    Began { windows: u32 },
    /// Speech ended before the last `windows` windows, which were silent.
    Ended { windows: u32 },
}

/// Hysteresis over voice probabilities.
#[derive(Debug, Clone)]
pub struct Activity {
    options: Options,
    speaking: bool,
    /// Windows in a row that speak against the current state.
    against: u32,
}

impl Activity {
    pub const fn new(options: Options) -> Self {
        Self { options, speaking: false, against: 0 }
    }

    pub const fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Takes the probability of one window. A value that is not a number counts as silence.
    pub fn next(&mut self, probability: f32) -> Option<Change> {
        let threshold = if self.speaking { self.options.end_threshold } else { self.options.begin_threshold };
        let against = (probability >= threshold) != self.speaking;
        self.against = if against { self.against + 1 } else { 0 };
        let needed = if self.speaking { self.options.end_windows } else { self.options.begin_windows };
        if self.against < needed.max(1) {
            return None;
        }
        let windows = std::mem::take(&mut self.against);
        self.speaking = !self.speaking;
        Some(if self.speaking { Change::Began { windows } } else { Change::Ended { windows } })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changes(probabilities: &[f32]) -> Vec<Option<Change>> {
        let mut activity = Activity::new(Options::default());
        probabilities.iter().map(|&probability| activity.next(probability)).collect()
    }

    #[test]
    fn a_click_is_not_speech() {
        assert!(changes(&[0.9, 0.9, 0.1, 0.9, 0.9, 0.1]).iter().all(Option::is_none));
    }

    #[test]
    fn speech_begins_after_three_windows_and_survives_a_stop_consonant() {
        let changes = changes(&[0.9, 0.9, 0.9, 0.1, 0.1, 0.9, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1]);
        assert_eq!(changes[2], Some(Change::Began { windows: 3 }));
        assert_eq!(changes[11], Some(Change::Ended { windows: 3 }));
        assert_eq!(changes.iter().flatten().count(), 2);
    }

    #[test]
    fn not_a_number_is_silence() {
        assert!(changes(&[f32::NAN; 20]).iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn began_and_ended_alternate(probabilities in prop::collection::vec(0.0f32..1.0, 0..500)) {
            let mut speaking = false;
            for change in changes(&probabilities).into_iter().flatten() {
                let began = matches!(change, Change::Began { .. });
                prop_assert_ne!(began, speaking);
                speaking = began;
            }
        }
    }
}
