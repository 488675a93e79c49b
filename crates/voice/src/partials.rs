//! When to transcribe somebody who is still speaking.
//!
//! Often enough that their words can be followed, and never so often that it is in the way of what is needed at their end: a
//! decode can't be stopped in its first half, so between two of them lies twice as long as the last one took. The first two are
//! for those who speak over the agent and wait for its reaction: they come sooner, and a pause does not end them.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The least time from one decode's beginning to the next.
const EVERY: Duration = Duration::from_millis(300);
/// Before the first one: a word takes so long.
const FIRST_AFTER: Duration = Duration::from_millis(200);
/// So many decodes of an utterance are early ones.
const EARLY: u32 = 2;

/// The partial transcripts of one lane.
#[derive(Debug, Default)]
pub(crate) struct Partials {
    /// Not before. `None`: nobody speaks.
    due: Option<Instant>,
    running: Option<(Instant, DropGuard)>,
    /// Of this utterance.
    decodes: u32,
    /// Counts utterances; a decode of another one is stale.
    utterance: u64,
}

impl Partials {
    /// Somebody began to speak, or goes on after a pause.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.due = Some(now + FIRST_AFTER);
    }

    /// They paused: what is being decoded is too short by now, and in the way of what is needed next. An early decode is nearly
    /// as long as they have spoken.
    pub(crate) fn pause(&mut self) {
        self.due = None;
        if self.decodes > EARLY {
            self.running = None;
        }
    }

    /// More is known by now than a decode that still runs, or waits, could tell.
    pub(crate) fn overtaken(&mut self) {
        self.running = None;
    }

    /// The utterance is over.
    pub(crate) fn end(&mut self) {
        self.due = None;
        self.running = None;
        self.decodes = 0;
        self.utterance += 1;
    }

    /// Whether to decode now. If so: under which number, and until when it is wanted.
    pub(crate) fn start(&mut self, now: Instant) -> Option<(u64, CancellationToken)> {
        if self.running.is_some() || self.due.is_none_or(|due| now < due) {
            return None;
        }
        self.decodes += 1;
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
        let rest = if self.decodes < EARLY { now - began } else { 2 * (now - began) };
        // In a pause nothing is due.
        self.due = self.due.map(|_| (began + EVERY).max(now + rest));
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
        assert!(partials.start(began + ms(599)).is_none(), "it took 200 ms, so it rests for as long");
        let (_, second) = partials.start(began + ms(600)).unwrap();
        assert!(partials.decoded(utterance, began + ms(800)));
        assert!(partials.start(began + ms(1_199)).is_none(), "and for twice as long from then on");
        let (_, third) = partials.start(began + ms(1_200)).unwrap();
        assert!(partials.decoded(utterance, began + ms(1_250)));
        assert!(partials.start(began + ms(1_499)).is_none(), "at most every 300 ms");
        assert!(partials.start(began + ms(1_500)).is_some());
        assert!(wanted.is_cancelled() && second.is_cancelled() && third.is_cancelled(), "those are over");
    }

    #[test]
    fn what_was_begun_early_goes_on_in_a_pause_and_what_comes_later_does_not() {
        let now = Instant::now();
        let mut partials = Partials::default();
        partials.begin(now);
        for early in 0..2 {
            let (utterance, wanted) = partials.start(now + ms(early * 1_000 + 200)).unwrap();
            partials.pause();
            assert!(!wanted.is_cancelled());
            assert!(partials.decoded(utterance, now + ms(early * 1_000 + 300)));
            assert!(partials.start(now + ms(early * 1_000 + 900)).is_none(), "nobody speaks");
            partials.begin(now + ms((early + 1) * 1_000));
        }
        let (utterance, wanted) = partials.start(now + ms(2_200)).unwrap();
        partials.pause();
        assert!(wanted.is_cancelled());
        assert!(!partials.decoded(utterance, now + ms(2_300)));
    }

    #[test]
    fn what_is_overtaken_or_of_another_utterance_is_nothing() {
        let now = Instant::now();
        let mut partials = Partials::default();
        partials.begin(now);
        let (utterance, wanted) = partials.start(now + ms(200)).unwrap();
        partials.overtaken();
        assert!(wanted.is_cancelled() && !partials.decoded(utterance, now + ms(300)));
        let (utterance, wanted) = partials.start(now + ms(400)).unwrap();
        partials.end();
        assert!(wanted.is_cancelled() && !partials.decoded(utterance, now + ms(500)));
    }
}
