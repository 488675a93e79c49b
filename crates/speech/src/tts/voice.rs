//! A voice: its files, its threads, and the door in front of them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use aether_onnx::{self as onnx, Processor, RunError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::espeak::Espeak;
use super::network::Graphs;
use super::phonemes::Alphabet;
use super::worker::{Job, Parts, Worker};
use super::{ConfigError, EspeakError};

/// Bytes of text taken at once; longer ones are cut by the caller, at a sentence.
pub const MAX_TEXT: usize = 64 * 1024;

/// How fast a voice can speak: 1 is as it was trained.
pub const SPEEDS: RangeInclusive<f32> = 0.25..=4.0;

/// Texts waiting for a worker; with more, the machine can't keep up.
const MAX_WAITING: usize = 64;

/// Pieces computed ahead of the listener: some seconds of speech.
const CHUNKS_AHEAD: usize = 32;

#[derive(Debug, Clone)]
pub struct Options {
    /// The voice, `….onnx`.
    pub onnx: PathBuf,
    /// Its settings, `….onnx.json`.
    pub config: PathBuf,
    /// The espeak-ng program: a path, or a name to look up.
    pub espeak: PathBuf,
    /// Texts spoken at the same time, each on a thread and with sessions of its own (some 100 MB).
    pub workers: usize,
    pub processor: Processor,
}

/// A piece of speech.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// Mono samples at the voice's rate.
    Pcm(Vec<i16>),
    /// The given text's bytes `text_start..text_end` are heard from `offset_us` on, counted from the first sample.
    /// Marks come before the samples they point at, in the order of the text, and cover all of it without a gap.
    Mark {
        text_start: usize,
        text_end: usize,
        offset_us: u64,
        /// From the voice's own timing, or estimated from the letters.
        exact: bool,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Espeak(#[from] EspeakError),
    #[error("a speed of {0} is out of range; give one from {start} to {end}", start = SPEEDS.start(), end = SPEEDS.end())]
    Speed(f32),
    #[error("the text has {bytes} bytes; at most {MAX_TEXT} are taken at once")]
    TooLong { bytes: usize },
    #[error("speech synthesis is overloaded: {MAX_WAITING} texts are waiting already")]
    Overloaded,
    #[error("speech synthesis failed: {0}")]
    Network(#[from] RunError),
    #[error("speech synthesis has stopped")]
    Stopped,
}

/// A loaded voice with its threads. Clones share them; they end with the last clone.
#[derive(Clone)]
pub struct Voice {
    jobs: SyncSender<Job>,
    sample_rate_hz: u32,
    streams: bool,
}

impl Voice {
    /// Loads the voice (about a second, blocking), starts espeak-ng and the threads.
    pub fn load(options: Options) -> Result<Self, Error> {
        let Options { onnx, config, espeak, workers, processor } = options;
        let config = Config::read(&config)?;
        let espeak = Espeak::start(&espeak, &config.espeak.voice)?;
        let graphs = Graphs::read(&onnx)?;
        let parts = Arc::new(Parts {
            alphabet: Alphabet::new(&config.phoneme_id_map),
            espeak,
            inference: config.inference,
            sample_rate_hz: config.audio.sample_rate,
        });
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut streams = true;
        for index in 0..workers.max(1) {
            let network = graphs.load(&onnx, processor)?;
            streams = network.streams();
            let mut worker = Worker::new(Arc::clone(&parts), network);
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new()
                .name(format!("piper-{index}"))
                .spawn(move || worker.run(&waiting))
                .map_err(|_| Error::Stopped)?;
        }
        Ok(Self { jobs, sample_rate_hz: config.audio.sample_rate, streams })
    }

    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Whether first samples leave before the last of their sentence are computed.
    pub fn streams(&self) -> bool {
        self.streams
    }

    /// Speaks a text. The channel ends after the last chunk, after an error, or soon after the token is cancelled or
    /// the receiver dropped.
    pub fn synthesize(
        &self,
        text: &str,
        speed: f32,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Result<Chunk, Error>> {
        let (out, chunks) = mpsc::channel(CHUNKS_AHEAD);
        if let Err(error) = self.submit(text, speed, cancel, out.clone()) {
            // There is room: nothing has been sent yet.
            let _ = out.try_send(Err(error));
        }
        chunks
    }

    fn submit(
        &self,
        text: &str,
        speed: f32,
        cancel: CancellationToken,
        out: mpsc::Sender<Result<Chunk, Error>>,
    ) -> Result<(), Error> {
        if !SPEEDS.contains(&speed) {
            return Err(Error::Speed(speed));
        }
        if text.len() > MAX_TEXT {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let job = Job { text: text.to_owned(), speed, cancel, out };
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => Error::Stopped,
        })
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Voice").field("sample_rate_hz", &self.sample_rate_hz).finish_non_exhaustive()
    }
}
