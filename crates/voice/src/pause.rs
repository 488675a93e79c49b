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
    /// What the end-of-turn network hears.
    voice: Verdict,
    /// `None` until it is transcribed.
    words: Option<String>,
    /// What the language model reads.
    sentence: Verdict,
    guessed: bool,
    ended: bool,
}

/// What somebody who is asked says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// They are to be asked at this time.
    Due(Instant),
    Asked,
    /// Or nothing: there is nobody to ask, or it failed.
    Known(Option<f32>),
}

impl Pause {
    /// A silence after speech that ended at `last_speech`.
    pub(crate) fn new(generation: Generation, last_speech: Instant, has_model: bool) -> Self {
        let voice = if has_model { Verdict::Due(last_speech + LISTEN_AFTER) } else { Verdict::Known(None) };
        let sentence = Verdict::Known(None);
        Self { generation, last_speech, voice, words: None, sentence, guessed: false, ended: false }
    }

    /// When the end-of-turn network is to be asked, if it is.
    pub(crate) const fn ask_at(&self) -> Option<Instant> {
        match self.voice {
            Verdict::Due(at) => Some(at),
            Verdict::Asked | Verdict::Known(_) => None,
        }
    }

    pub(crate) const fn asked(&mut self) {
        self.voice = Verdict::Asked;
    }

    pub(crate) const fn judged(&mut self, done: Option<f32>) {
        self.voice = Verdict::Known(done);
    }

    /// These are the words, and whether the language model is asked about them.
    pub(crate) fn transcribed(&mut self, words: String, is_asked: bool) {
        self.words = Some(words);
        if is_asked {
            self.sentence = Verdict::Asked;
        }
    }

    /// What is known to have been said up to it.
    pub(crate) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    pub(crate) const fn read(&mut self, ends: Option<f32>) {
        self.sentence = Verdict::Known(ends);
    }

    /// How long it must last and when it will have. Known once the words are, and what both models make of it; it never waits
    /// for them longer than they take.
    pub(crate) fn deadline(&self, endpointing: &Endpointing) -> Option<(Duration, Instant)> {
        if self.ended || self.sentence.known().is_none() {
            return None;
        }
        let wait = endpointing.wait(&self.silence()?);
        Some((wait, self.last_speech + wait))
    }

    /// The deadline was reported.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }

    /// The words that are worth an answer ahead: once. What the language model makes of them is not waited for, because it makes
    /// the answer meanwhile.
    pub(crate) fn guess(&mut self) -> Option<String> {
        if self.guessed || !self.silence()?.is_likely_the_end() {
            return None;
        }
        self.guessed = true;
        self.words.clone()
    }

    fn silence(&self) -> Option<Silence<'_>> {
        let sentence_ends = self.sentence.known().flatten();
        Some(Silence { done: self.voice.known()?, words: self.words.as_deref()?, sentence_ends })
    }
}

impl Verdict {
    /// `None` while it is still to come.
    const fn known(self) -> Option<Option<f32>> {
        match self {
            Self::Known(verdict) => Some(verdict),
            Self::Due(_) | Self::Asked => None,
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
        pause.transcribed("Turn on the light.".to_owned(), false);
        assert_eq!((pause.ask_at(), pause.deadline(&endpointing), pause.guess()), (None, None, None));
        pause.judged(Some(0.99));
        let wait = Duration::from_millis(800);
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
        pause.transcribed("Turn on the light and".to_owned(), false);
        assert_eq!(pause.deadline(&endpointing).map(|(wait, _)| wait), Some(Duration::from_millis(1_500)));
        assert_eq!(pause.guess(), None, "they are not done");
    }

    #[test]
    fn the_end_waits_for_what_the_language_model_reads_and_the_guess_does_not() {
        let endpointing = Endpointing::new(aether_turn::endpointing::Options::default());
        let mut pause = Pause::new(Generation::default(), Instant::now(), true);
        pause.asked();
        pause.judged(Some(0.99));
        pause.transcribed("And so my fellow Americans.".to_owned(), true);
        assert_eq!(pause.deadline(&endpointing), None);
        assert!(pause.guess().is_some());
        pause.read(Some(0.01));
        assert_eq!(pause.deadline(&endpointing).map(|(wait, _)| wait), Some(Duration::from_millis(1_500)));
    }
}
