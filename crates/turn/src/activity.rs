//! From voice probabilities and loudness, one of each per 32 ms window, to "speech began" and "speech ended".

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
    /// A window that is so many decibels below the loudest of the same speech is silence, too: the network hears a voice for two
    /// to four windows after it has ended. Where there is noise, nothing ever gets so quiet.
    pub faded_db: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { begin_threshold: 0.5, end_threshold: 0.35, begin_windows: 3, end_windows: 3, faded_db: 40.0 }
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
    /// The loudest window of this speech, in dBFS.
    loudest: f32,
}

impl Activity {
    pub const fn new(options: Options) -> Self {
        Self { options, speaking: false, against: 0, loudest: f32::NEG_INFINITY }
    }

    pub const fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Whether a window with this probability, and so loud, would go on with the speech, or begin one. A value that is not a
    /// number counts as silence.
    pub fn is_voice(&self, probability: f32, dbfs: f32) -> bool {
        match self.speaking {
            true => probability >= self.options.end_threshold && dbfs >= self.loudest - self.options.faded_db,
            false => probability >= self.options.begin_threshold,
        }
    }

    /// Takes one window.
    pub fn next(&mut self, probability: f32, dbfs: f32) -> Option<Change> {
        let is_voice = self.is_voice(probability, dbfs);
        self.against = if is_voice == self.speaking { 0 } else { self.against + 1 };
        if is_voice {
            self.loudest = self.loudest.max(dbfs);
        } else if !self.speaking {
            self.loudest = f32::NEG_INFINITY;
        }
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
        probabilities.iter().map(|&probability| activity.next(probability, -20.0)).collect()
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
    fn what_the_network_still_hears_of_a_voice_is_not_waited_for() {
        let after = |windows: &[(f32, f32)]| {
            let mut activity = Activity::new(Options::default());
            let speech = [(0.9, -20.0); 3].iter().chain(windows);
            speech.filter_map(|&(probability, dbfs)| activity.next(probability, dbfs)).count()
        };
        assert_eq!(after(&[(0.9, -61.0); 3]), 2, "it has faded");
        assert_eq!(after(&[(0.9, -50.0); 9]), 1, "a quiet voice is one");
        assert_eq!(after(&[(0.9, -61.0), (0.9, -61.0), (0.9, -30.0), (0.9, -61.0)]), 1, "a stop consonant");
        assert_eq!(after(&[(0.1, -25.0); 3]), 2, "noise is none");
        assert_eq!(after(&[(0.9, f32::NAN); 3]), 2);
        let quieter = [[(0.1, -70.0); 3], [(0.9, -50.0); 3], [(0.9, -55.0); 3]].concat();
        assert_eq!(after(&quieter), 3, "each speech has its own loudness");
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
