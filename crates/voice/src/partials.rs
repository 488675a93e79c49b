//! When to transcribe somebody who is still speaking.
//!
//! Often enough that their words can be followed, and never so often that it is in the way of what is needed at their end: a
//! decode can't be stopped in its first half, so between two of them lies twice as long as the last one took.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The least time from one decode's beginning to the next.
const EVERY: Duration = Duration::from_millis(300);
/// Before the first one: a word takes so long, and who speaks over the agent is waiting for its reaction.
const FIRST_AFTER: Duration = Duration::from_millis(200);

/// The partial transcripts of one lane.
#[derive(Debug, Default)]
pub(crate) struct Partials {
    /// Not before. `None`: nobody speaks.
    due: Option<Instant>,
    running: Option<(Instant, DropGuard)>,
    /// Counts utterances; a decode of another one is stale.
    utterance: u64,
}

impl Partials {
    /// Somebody began to speak, or goes on after a pause.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.due = Some(now + FIRST_AFTER);
    }

    /// They paused: what is being decoded is too short by now, and in the way of what is needed next.
    pub(crate) fn pause(&mut self) {
        self.due = None;
        self.running = None;
    }

    /// The utterance is over.
    pub(crate) fn end(&mut self) {
        self.pause();
        self.utterance += 1;
    }

    /// Whether to decode now. If so: under which number, and until when it is wanted.
    pub(crate) fn start(&mut self, now: Instant) -> Option<(u64, CancellationToken)> {
        if self.running.is_some() || self.due.is_none_or(|due| now < due) {
            return None;
        }
        let wanted = CancellationToken::new();
        self.running = Some((now, wanted.clone().drop_guard()));
        Some((self.utterance, wanted))
    }

    /// A decode has ended; false if nobody wants it any more.
    pub(crate) fn decoded(&mut self, utterance: u64, now: Instant) -> bool {
        if utterance != self.utterance {
            return false;
        }
        let Some((began, _)) = self.running.take() else { return false };
        self.due = Some((began + EVERY).max(now + 2 * (now - began)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_decode_at_a_time_and_a_rest_after_each() {
        let began = Instant::now();
        let mut partials = Partials::default();
        assert!(partials.start(began).is_none(), "nobody speaks");
        partials.begin(began);
        assert!(partials.start(began + ms(199)).is_none());
        let (utterance, wanted) = partials.start(began + ms(200)).unwrap();
        assert!(partials.start(began + ms(900)).is_none(), "one is running");
        assert!(partials.decoded(utterance, began + ms(400)));
        assert!(partials.start(began + ms(799)).is_none(), "it took 200 ms, so it rests for 400 ms");
        let (_, second) = partials.start(began + ms(800)).unwrap();
        assert!(partials.decoded(utterance, began + ms(850)));
        assert!(partials.start(began + ms(1_099)).is_none(), "at most every 300 ms");
        assert!(partials.start(began + ms(1_100)).is_some());
        assert!(wanted.is_cancelled() && second.is_cancelled(), "those are over");
    }

    #[test]
    fn a_pause_ends_what_runs_and_an_utterance_starts_anew() {
        let now = Instant::now();
        let mut partials = Partials::default();
        partials.begin(now);
        let (utterance, wanted) = partials.start(now + ms(200)).unwrap();
        partials.pause();
        assert!(wanted.is_cancelled());
        assert!(!partials.decoded(utterance, now + ms(300)));
        partials.begin(now + ms(400));
        let (utterance, _) = partials.start(now + ms(600)).unwrap();
        partials.end();
        assert!(!partials.decoded(utterance, now + ms(700)));
    }
}
