//! The thread that walks a text from words to samples.

use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clause::{Clause, clauses, sentences};
use super::config::Inference;
use super::espeak::Espeak;
use super::network::{Event, Network, Scales, Timing};
use super::normalize::words;
use super::phonemes::{Alphabet, Sentence};
use super::voice::{Chunk, Error};

/// A text to speak.
pub(super) struct Job {
    pub text: String,
    pub speed: f32,
    pub cancel: CancellationToken,
    pub out: mpsc::Sender<Result<Chunk, Error>>,
}

impl Job {
    /// Hands a chunk over, waiting for room; breaks when nobody wants more.
    fn send(&self, chunk: Result<Chunk, Error>) -> ControlFlow<()> {
        if self.cancel.is_cancelled() {
            return ControlFlow::Break(());
        }
        futures::executor::block_on(async {
            tokio::select! {
                () = self.cancel.cancelled() => ControlFlow::Break(()),
                sent = self.out.send(chunk) => if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) },
            }
        })
    }

    fn is_wanted(&self) -> bool {
        !self.cancel.is_cancelled() && !self.out.is_closed()
    }
}

/// What all workers of a voice share.
pub(super) struct Parts {
    pub alphabet: Alphabet,
    pub espeak: Espeak,
    pub inference: Inference,
    pub sample_rate_hz: u32,
}

pub(super) struct Worker {
    parts: Arc<Parts>,
    network: Network,
}

impl Worker {
    pub(super) fn new(parts: Arc<Parts>, network: Network) -> Self {
        Self { parts, network }
    }

    /// Works until the voice is dropped.
    pub(super) fn run(&mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            // The lock is held while waiting: the other workers wait for the lock instead.
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if job.is_wanted()
                && let Err(error) = self.speak(&job)
            {
                let _ = job.send(Err(error));
            }
        }
    }

    fn speak(&mut self, job: &Job) -> Result<(), Error> {
        let clauses = clauses(words(&job.text));
        if clauses.is_empty() && !job.text.is_empty() {
            // Nothing to say, but the marks still cover the text: whoever follows them sees that it is over.
            let _ = job.send(Ok(Chunk::Mark { text_start: 0, text_end: job.text.len(), offset_us: 0, exact: true }));
            return Ok(());
        }
        // A network that can't stream starts earlier with less to say at once.
        let sentences = if self.network.streams() {
            sentences(clauses)
        } else {
            clauses.into_iter().map(|clause| vec![clause]).collect()
        };
        let mut samples_before = 0;
        for sentence in sentences {
            if !job.is_wanted() {
                return Ok(());
            }
            let sentence = self.phonemes(sentence)?;
            samples_before += self.speak_sentence(job, &sentence, samples_before)?;
        }
        Ok(())
    }

    fn phonemes(&self, clauses: Vec<Clause>) -> Result<Sentence, Error> {
        let mut phonemes = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let of_clause = self.parts.espeak.phonemes(&clause.spoken())?;
            phonemes.push((clause, of_clause));
        }
        Ok(self.parts.alphabet.sentence(&phonemes))
    }

    /// Returns how many samples it took.
    fn speak_sentence(&mut self, job: &Job, sentence: &Sentence, samples_before: u64) -> Result<u64, Error> {
        let Inference { noise_scale, length_scale, noise_w } = self.parts.inference;
        let scales = Scales { noise: noise_scale, length: length_scale / job.speed, rhythm: noise_w };
        let sample_rate_hz = u64::from(self.parts.sample_rate_hz);
        let mut samples = 0;
        self.network.speak(&sentence.ids, scales, &mut |event| match event {
            Event::Timing(timing) => {
                for mark in marks(sentence, &timing, samples_before, sample_rate_hz) {
                    job.send(Ok(mark))?;
                }
                ControlFlow::Continue(())
            }
            Event::Samples(piece) => {
                samples += piece.len() as u64;
                job.send(Ok(Chunk::Pcm(aether_audio::pcm16::from_f32(piece))))
            }
        })?;
        Ok(samples)
    }
}

fn marks(sentence: &Sentence, timing: &Timing, samples_before: u64, sample_rate_hz: u64) -> Vec<Chunk> {
    let mark = |word: &super::phonemes::WordStart| {
        let start = timing.starts.get(word.id).or(timing.starts.last()).copied().unwrap_or(0);
        Chunk::Mark {
            text_start: word.given.start,
            text_end: word.given.end,
            offset_us: (samples_before + start) * 1_000_000 / sample_rate_hz,
            exact: word.exact && timing.exact,
        }
    };
    sentence.words.iter().map(mark).collect()
}
