//! A silence that may be the end: what is known of it so far, and when it has lasted.

use std::time::Duration;

use aether_turn::Generation;
use aether_turn::endpointing::{Endpointing, Silence};
use tokio::time::Instant;

/// So much silence the end-of-turn network hears after the last word.
const LISTEN_AFTER: Duration = Duration::from_millis(200);

/// One pause of one lane.
#[derive(Debug)]
pub(crate) struct Pause {
    pub(crate) generation: Generation,
    last_speech: Instant,
    verdict: Verdict,
    /// `None` until it is transcribed.
    words: Option<String>,
    guessed: bool,
    ended: bool,
}

/// What the end-of-turn network says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// It is to be asked at this time.
    Due(Instant),
    Asked,
    /// Or nothing: there is none, or it failed.
    Known(Option<f32>),
}

impl Pause {
    /// A silence after speech that ended at `last_speech`.
    pub(crate) fn new(generation: Generation, last_speech: Instant, has_model: bool) -> Self {
        let verdict = if has_model { Verdict::Due(last_speech + LISTEN_AFTER) } else { Verdict::Known(None) };
        Self { generation, last_speech, verdict, words: None, guessed: false, ended: false }
    }

    /// When the end-of-turn network is to be asked, if it is.
    pub(crate) const fn ask_at(&self) -> Option<Instant> {
        match self.verdict {
            Verdict::Due(at) => Some(at),
            Verdict::Asked | Verdict::Known(_) => None,
        }
    }

    pub(crate) const fn asked(&mut self) {
        self.verdict = Verdict::Asked;
    }

    pub(crate) const fn judged(&mut self, done: Option<f32>) {
        self.verdict = Verdict::Known(done);
    }

    pub(crate) fn transcribed(&mut self, words: String) {
        self.words = Some(words);
    }

    /// How long it must last and when it will have. Known once the words and the network's opinion are; it never waits for
    /// either longer than they take.
    pub(crate) fn deadline(&self, endpointing: &Endpointing) -> Option<(Duration, Instant)> {
        if self.ended {
            return None;
        }
        let wait = endpointing.wait(&self.silence()?);
        Some((wait, self.last_speech + wait))
    }

    /// The deadline was reported.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }

    /// The words that are worth an answer ahead: once.
    pub(crate) fn guess(&mut self) -> Option<String> {
        if self.guessed || !self.silence()?.is_likely_the_end() {
            return None;
        }
        self.guessed = true;
        self.words.clone()
    }

    fn silence(&self) -> Option<Silence<'_>> {
        match self.verdict {
            Verdict::Known(done) => Some(Silence { done, words: self.words.as_deref()? }),
            Verdict::Due(_) | Verdict::Asked => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_voice_together_say_how_long() {
        let endpointing = Endpointing::new(aether_turn::endpointing::Options::default());
        let now = Instant::now();
        let mut pause = Pause::new(Generation::default(), now, true);
        assert_eq!(pause.ask_at(), Some(now + LISTEN_AFTER));
        pause.asked();
        pause.transcribed("Turn on the light.".to_owned());
        assert_eq!((pause.ask_at(), pause.deadline(&endpointing), pause.guess()), (None, None, None));
        pause.judged(Some(0.99));
        let wait = Duration::from_millis(600);
        assert_eq!(pause.deadline(&endpointing), Some((wait, now + wait)));
        assert_eq!(pause.guess().as_deref(), Some("Turn on the light."));
        assert_eq!(pause.guess(), None, "one guess for one pause");
        pause.end();
        assert_eq!(pause.deadline(&endpointing), None);
    }

    #[test]
    fn without_a_network_the_words_alone_say_it() {
        let endpointing = Endpointing::new(aether_turn::endpointing::Options::default());
        let now = Instant::now();
        let mut pause = Pause::new(Generation::default(), now, false);
        assert_eq!((pause.ask_at(), pause.deadline(&endpointing)), (None, None));
        pause.transcribed("Turn on the light and".to_owned());
        assert_eq!(pause.deadline(&endpointing).map(|(wait, _)| wait), Some(Duration::from_millis(1_200)));
        assert_eq!(pause.guess(), None, "they are not done");
    }
}
