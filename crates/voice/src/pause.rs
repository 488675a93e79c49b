//! A silence that may be the end: what is known of it so far, and when it has lasted.
//!
//! Where an answer is being made meanwhile, the end waits for its first sound: until then nobody could hear of a decision
//! anyway, and whoever goes on has not been cut off.

use std::time::Duration;

use aether_turn::Generation;
use aether_turn::endpointing::{Endpointing, Silence};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

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
    /// When the newest of these was known.
    known: Instant,
    answer: Ahead,
    ended: bool,
}

/// The answer that is made ahead.
#[derive(Debug)]
enum Ahead {
    None,
    /// Until this is cancelled.
    Awaited(CancellationToken),
    /// Since then it can be heard, or it can't be made ahead.
    Ready(Instant),
}

/// When a silence is the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// How long it must last by what is known of it.
    pub(crate) wait: Duration,
    /// It has lasted so long, and all of that is known.
    pub(crate) decided: Instant,
    /// The same, and the answer is there.
    pub(crate) at: Instant,
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
        Self {
            generation,
            last_speech,
            voice,
            words: None,
            sentence,
            known: last_speech,
            answer: Ahead::None,
            ended: false,
        }
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

    pub(crate) fn judged(&mut self, done: Option<f32>) {
        self.voice = Verdict::Known(done);
        self.known = Instant::now();
    }

    /// These are the words, and whether the language model is asked about them.
    pub(crate) fn transcribed(&mut self, words: String, is_asked: bool) {
        self.words = Some(words);
        self.known = Instant::now();
        if is_asked {
            self.sentence = Verdict::Asked;
        }
    }

    /// What is known to have been said up to it.
    pub(crate) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    pub(crate) fn read(&mut self, ends: Option<f32>) {
        self.sentence = Verdict::Known(ends);
        self.known = Instant::now();
    }

    /// When it is the end. Known once the words are, and what both models make of it; it never waits for them longer than they
    /// take, and for an answer no longer than for somebody who is surely not done.
    pub(crate) fn deadline(&self, endpointing: &Endpointing) -> Option<Deadline> {
        if self.ended || self.sentence.known().is_none() {
            return None;
        }
        let wait = endpointing.wait(&self.silence()?);
        let decided = self.known.max(self.last_speech + wait);
        let answered = match self.answer {
            Ahead::None => decided,
            Ahead::Awaited(_) => self.last_speech + endpointing.longest(),
            Ahead::Ready(at) => at,
        };
        Some(Deadline { wait, decided, at: decided.max(answered) })
    }

    /// The deadline was reported.
    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }

    /// The words that are worth an answer ahead: once. What the language model makes of them is not waited for, because it makes
    /// the answer meanwhile. The guard is for whoever makes that answer, to be dropped once the end need not wait for it.
    pub(crate) fn guess(&mut self) -> Option<(String, DropGuard)> {
        if !matches!(self.answer, Ahead::None) || !self.silence()?.is_likely_the_end() {
            return None;
        }
        let awaited = CancellationToken::new();
        self.answer = Ahead::Awaited(awaited.clone());
        Some((self.words.clone()?, awaited.drop_guard()))
    }

    /// Cancelled when the answer that is made ahead is there, or is given up.
    pub(crate) fn awaited(&self) -> Option<CancellationToken> {
        match &self.answer {
            Ahead::Awaited(awaited) => Some(awaited.clone()),
            Ahead::None | Ahead::Ready(_) => None,
        }
    }

    pub(crate) fn answered(&mut self) {
        self.answer = Ahead::Ready(Instant::now());
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
        assert_eq!((pause.ask_at(), pause.deadline(&endpointing)), (None, None));
        assert!(pause.guess().is_none());
        pause.judged(Some(0.99));
        let wait = Duration::from_millis(800);
        let deadline = Deadline { wait, decided: now + wait, at: now + wait };
        assert_eq!(pause.deadline(&endpointing), Some(deadline));
        let (words, _awaited) = pause.guess().unwrap();
        assert_eq!(words, "Turn on the light.");
        assert!(pause.guess().is_none(), "one guess for one pause");
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
        assert_eq!(pause.deadline(&endpointing).map(|end| end.wait), Some(Duration::from_millis(1_500)));
        assert!(pause.guess().is_none(), "they are not done");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_answer_and_never_for_ever() {
        let endpointing = Endpointing::new(aether_turn::endpointing::Options::default());
        let now = Instant::now();
        let mut pause = Pause::new(Generation::default(), now, false);
        pause.transcribed("Turn on the light.".to_owned(), false);
        let end = |pause: &Pause| pause.deadline(&endpointing).unwrap();
        let wait = end(&pause).wait;
        assert_eq!((end(&pause).at, pause.awaited().is_none()), (now + wait, true), "there is nothing to wait for");
        let (_, guard) = pause.guess().unwrap();
        let longest = Duration::from_secs(2);
        assert_eq!((end(&pause).decided, end(&pause).at), (now + wait, now + longest));
        let awaited = pause.awaited().unwrap();
        tokio::time::advance(Duration::from_millis(1_400)).await;
        assert!(!awaited.is_cancelled());
        drop(guard);
        awaited.cancelled().await;
        pause.answered();
        assert!(pause.awaited().is_none() && pause.guess().is_none());
        assert_eq!((end(&pause).decided, end(&pause).at), (now + wait, now + Duration::from_millis(1_400)));
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
        assert_eq!(pause.deadline(&endpointing).map(|end| end.wait), Some(Duration::from_millis(1_500)));
    }
}
