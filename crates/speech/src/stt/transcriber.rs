//! The pool: threads that decode, and the door in front of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_onnx::Processor;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperError};

use super::card;
use super::decoder::Whisper;
use super::queue::{Priority, Queue};
use super::transcript::Transcript;

/// Longer clips are cut by the caller, at a pause.
pub const MAX_CLIP: Duration = Duration::from_secs(600);

const SAMPLES_PER_SECOND: u64 = aether_audio::RECOGNITION_HZ as u64;

/// More than this many clips waiting means that the machine can't keep up, and one more would only be late.
const MAX_WAITING: usize = 64;

/// First four bytes of a ggml model file.
const GGML_MAGIC: [u8; 4] = 0x6767_6d6c_u32.to_le_bytes();

#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that work on one clip together. They meet at OpenMP's barriers: with `OMP_WAIT_POLICY=passive` in the
    /// process's environment they sleep there and leave the cores to others.
    pub threads: usize,
    /// Clips decoded at the same time.
    pub states: usize,
    /// Two-letter code of the language spoken; models whose name ends in `.en` know only `en`.
    pub language: String,
    pub processor: Processor,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads: cores.min(4), states: 1, language: "en".to_owned(), processor: Processor::default() }
    }
}

/// A clip to transcribe.
pub struct Request {
    /// Mono, 16 kHz.
    pub samples: Vec<f32>,
    pub priority: Priority,
    /// Whose clip it is: lanes of the same priority take turns.
    pub lane: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no Whisper model at {}; get it with `aether models get`", .0.display())]
    NoModel(PathBuf),
    #[error("{} is not a ggml Whisper model; remove it and get it again with `aether models get`", .0.display())]
    NotWhisper(PathBuf),
    #[error("this program was built without CUDA: take the one of the image with CUDA, or set AETHER_CUDA=off")]
    BuiltWithoutCuda,
    #[error(
        "CUDA finds no NVIDIA card: `nvidia-smi` must name one here, with driver 580 or newer; without a card set AETHER_CUDA=off"
    )]
    NoCard,
    #[error(
        "the Whisper model needs about {needed_mb} MB of the NVIDIA card, of which {free_mb} MB are free: end what else is on it \
        (`nvidia-smi` shows that), choose a smaller WHISPER_MODEL, or set AETHER_CUDA=off"
    )]
    CardFull { needed_mb: u64, free_mb: u64 },
    #[error("speech recognition is overloaded: {waiting} clips are waiting already")]
    Overloaded { waiting: usize },
    #[error("the clip is {seconds} s long; at most {} s are taken at once", MAX_CLIP.as_secs())]
    TooLong { seconds: u64 },
    #[error("the transcription was cancelled")]
    Cancelled,
    #[error("speech recognition failed: {0}")]
    Whisper(WhisperError),
    #[error("speech recognition has panicked over a clip")]
    Panicked,
    #[error("speech recognition has stopped")]
    Stopped,
}

/// Makes words of one clip at a time, on a thread of its own.
pub trait Decoder: Send + 'static {
    /// `samples` are mono, 16 kHz and finite. Returns early, with any result, soon after `abort` is set.
    fn decode(&mut self, samples: &[f32], priority: Priority, abort: &Arc<AtomicBool>) -> Result<Transcript, Error>;
}

/// Decoders with their threads. Clones share them; they end with the last clone.
#[derive(Clone)]
pub struct Transcriber {
    door: Arc<Door>,
}

impl Transcriber {
    /// Loads a Whisper model: some hundred milliseconds, blocking.
    pub fn load(path: &Path, options: Options) -> Result<Self, Error> {
        let Options { threads, states, language, processor } = options;
        whisper_rs::install_logging_hooks();
        check_magic(path)?;
        card::check(path, processor)?;
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(processor == Processor::Cuda);
        let context =
            WhisperContext::new_with_params(path, parameters).map_err(|_| Error::NotWhisper(path.to_owned()))?;
        let decoders = (0..states.max(1)).map(|_| Whisper::new(&context, threads, &language));
        Self::over(decoders.collect::<Result<Vec<_>, _>>().map_err(Error::Whisper)?)
    }

    /// Starts one thread for each decoder.
    pub fn over(decoders: Vec<impl Decoder>) -> Result<Self, Error> {
        let pool =
            Arc::new(Pool { queue: Mutex::new(Queue::new()), closed: AtomicBool::new(false), work: Condvar::new() });
        let door = Arc::new(Door { pool: Arc::clone(&pool) });
        for (index, mut decoder) in decoders.into_iter().enumerate() {
            let pool = Arc::clone(&pool);
            std::thread::Builder::new()
                .name(format!("decoder-{index}"))
                .spawn(move || pool.work(&mut decoder))
                .map_err(|_| Error::Stopped)?;
        }
        Ok(Self { door })
    }

    /// Transcribes a clip. Cancelling the token, or dropping the future, gives the decoder free within a few
    /// milliseconds (after the encoder, if that is running).
    pub async fn transcribe(&self, request: Request, cancel: CancellationToken) -> Result<Transcript, Error> {
        let seconds = request.samples.len() as u64 / SAMPLES_PER_SECOND;
        if seconds > MAX_CLIP.as_secs() {
            return Err(Error::TooLong { seconds });
        }
        let abort = AbortOnDrop(Arc::new(AtomicBool::new(false)));
        let (reply, answer) = oneshot::channel();
        let Request { samples, priority, lane } = request;
        let clip = Clip { samples, priority, abort: Arc::clone(&abort.0), reply, submitted: Instant::now() };
        self.door.pool.submit(priority, lane, clip)?;
        tokio::select! {
            () = cancel.cancelled() => Err(Error::Cancelled),
            answer = answer => answer.unwrap_or(Err(Error::Stopped)),
        }
    }
}

impl std::fmt::Debug for Transcriber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("stt::Transcriber")
    }
}

/// Held by the callers; when the last one is gone, so are the threads.
struct Door {
    pool: Arc<Pool>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.pool.closed.store(true, Ordering::Release);
        // Whoever checked the flag before it was set still holds the lock or waits by now.
        drop(self.pool.lock());
        self.pool.work.notify_all();
    }
}

/// Tells the decoder when nobody waits for its result any more.
struct AbortOnDrop(Arc<AtomicBool>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Clip {
    samples: Vec<f32>,
    priority: Priority,
    abort: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Transcript, Error>>,
    submitted: Instant,
}

impl Clip {
    fn is_wanted(&self) -> bool {
        !self.abort.load(Ordering::Relaxed)
    }
}

struct Pool {
    queue: Mutex<Queue<Clip>>,
    closed: AtomicBool,
    work: Condvar,
}

impl Pool {
    fn submit(&self, priority: Priority, lane: u64, clip: Clip) -> Result<(), Error> {
        let mut queue = self.lock();
        if queue.len() >= MAX_WAITING {
            queue.retain(Clip::is_wanted);
        }
        if queue.len() >= MAX_WAITING {
            return Err(Error::Overloaded { waiting: queue.len() });
        }
        queue.push(priority, lane, clip);
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    fn work(&self, decoder: &mut impl Decoder) {
        while let Some(mut clip) = self.next() {
            let waited = clip.submitted.elapsed();
            let audio = Duration::from_secs(clip.samples.len() as u64) / aether_audio::RECOGNITION_HZ;
            // A number that is not finite would spread through the whole spectrogram.
            clip.samples.iter_mut().filter(|sample| !sample.is_finite()).for_each(|sample| *sample = 0.0);
            // One clip that a decoder can't take must not silence the rooms of all others.
            let decode = AssertUnwindSafe(|| decoder.decode(&clip.samples, clip.priority, &clip.abort));
            let result = catch_unwind(decode).unwrap_or(Err(Error::Panicked));
            let result = result.map(|transcript| Transcript { waited, audio, ..transcript });
            let result = if clip.is_wanted() { result } else { Err(Error::Cancelled) };
            // Nobody listening is fine: the caller left between the check and here.
            let _ = clip.reply.send(result);
        }
    }

    /// Waits for a clip that somebody still wants; `None` when there will be no more.
    fn next(&self) -> Option<Clip> {
        let mut queue = self.lock();
        loop {
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            match queue.pop() {
                Some(clip) if clip.is_wanted() => return Some(clip),
                Some(_) => {}
                None => queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<Clip>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// whisper.cpp says only "no" to a bad file; this says which of the two usual reasons it was.
fn check_magic(path: &Path) -> Result<(), Error> {
    let mut magic = [0; 4];
    let mut file = std::fs::File::open(path).map_err(|_| Error::NoModel(path.to_owned()))?;
    match std::io::Read::read_exact(&mut file, &mut magic) {
        Ok(()) if magic == GGML_MAGIC => Ok(()),
        _ => Err(Error::NotWhisper(path.to_owned())),
    }
}
