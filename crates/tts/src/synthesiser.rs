//! One text after the other becomes speech: admission, pieces of at most 20 ms, and the account of what it took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_audio::{pcm16, samples_in_ms};
use aether_proto::{Error, ErrorCode, TtsDone, TtsMark};
use aether_speech::tts::{self, Chunk, Voice};
use aether_telemetry::{PartHealth, metric};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, Span, info_span};

use crate::request::{MAX_TEXT_BYTES, Request};

/// The longest piece of PCM that is handed out.
const PIECE_MS: u32 = 20;
/// What a caller that finds no place is told to wait: about one clause.
const RETRY_AFTER_MS: u32 = 300;

/// Chunks that may wait for a listener: more than the longest text gives, so that a listener who reads at the pace of speech,
/// or not at all, never keeps one of the voice's few threads waiting.
const CHUNKS_WAITING: usize = 2 * MAX_TEXT_BYTES;

/// A voice and the places in front of it. Clones share both.
#[derive(Clone)]
pub(crate) struct Synthesiser {
    name: Arc<str>,
    voice: Voice,
    espeak: PartHealth,
    places: Arc<Semaphore>,
}

impl Synthesiser {
    /// `espeak` is told how the voice's phoneme process fares.
    pub(crate) fn new(name: &str, voice: Voice, espeak: PartHealth, max_calls: usize) -> Self {
        let places = Arc::new(Semaphore::new(max_calls.min(Semaphore::MAX_PERMITS)));
        Self { name: name.into(), voice, espeak, places }
    }

    /// The name that callers know the voice by.
    pub(crate) fn voice_name(&self) -> &str {
        &self.name
    }

    pub(crate) fn sample_rate_hz(&self) -> u32 {
        self.voice.sample_rate_hz()
    }

    /// Takes a place and starts, or says that there is none. Its span is a child of the current one.
    pub(crate) fn start(&self, request: &Request) -> Result<Synthesis, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let mut full =
                ErrorCode::Overloaded.error("the voice speaks as many texts as it may; ask again in a moment");
            full.retry_after_ms = RETRY_AFTER_MS;
            full
        })?;
        let span = info_span!(
            "synthesise",
            gen_ai.operation.name = "speech",
            "gen_ai.output.type" = "speech",
            gen_ai.provider.name = "piper",
            gen_ai.request.model = &*self.name,
            text_bytes = request.text().len(),
            audio_ms = tracing::field::Empty,
            first_pcm_ms = tracing::field::Empty,
        );
        let cancel = CancellationToken::new();
        let chunks = span.in_scope(|| self.voice.synthesize(request.text(), request.speed(), cancel.clone()));
        metrics::gauge!(metric::SYNTHESES).increment(1.0);
        Ok(Synthesis {
            chunks: take_in(chunks),
            espeak: self.espeak.clone(),
            pcm: Vec::new(),
            handed_out: 0,
            account: Account::new(&self.name, self.sample_rate_hz()),
            span,
            _cancel: cancel.drop_guard(),
            _place: place,
        })
    }
}

/// What a synthesis gives, in the order in which it is heard.
pub(crate) enum Piece {
    /// Little-endian PCM16, at most 20 ms.
    Pcm(Bytes),
    Mark(TtsMark),
}

/// A text that is being spoken. Dropping it stops the voice.
pub(crate) struct Synthesis {
    chunks: mpsc::Receiver<Result<Chunk, tts::Error>>,
    espeak: PartHealth,
    /// The chunk that is being cut into pieces, and how much of it is gone.
    pcm: Vec<i16>,
    handed_out: usize,
    account: Account,
    span: Span,
    _cancel: DropGuard,
    _place: OwnedSemaphorePermit,
}

impl Synthesis {
    /// The next piece; `None` when all was said. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = self.cut() {
                return Ok(Some(Piece::Pcm(piece)));
            }
            match self.chunks.recv().instrument(self.span.clone()).await {
                Some(Ok(Chunk::Pcm(pcm))) => {
                    self.account.heard(pcm.len());
                    self.pcm = pcm;
                    self.handed_out = 0;
                }
                Some(Ok(Chunk::Mark { text_start, text_end, offset_us, exact })) => {
                    return Ok(Some(Piece::Mark(TtsMark {
                        // A text has at most `MAX_TEXT_BYTES`, and an hour of speech some 4e9 µs.
                        text_start: u32::try_from(text_start).unwrap_or(u32::MAX),
                        text_end: u32::try_from(text_end).unwrap_or(u32::MAX),
                        offset_us: i64::try_from(offset_us).unwrap_or(i64::MAX),
                        exact,
                    })));
                }
                Some(Err(error)) => return Err(self.failed(error)),
                None => {
                    self.account.outcome = Outcome::Completed;
                    self.espeak.up();
                    return Ok(None);
                }
            }
        }
    }

    /// What it took; complete once [`Synthesis::next`] gave `None`.
    pub(crate) fn done(&self) -> TtsDone {
        self.account.done()
    }

    fn failed(&mut self, error: tts::Error) -> Error {
        self.account.outcome = Outcome::Failed;
        let _entered = self.span.enter();
        tracing::warn!(error = &error as &dyn std::error::Error, "a text could not be spoken");
        if matches!(error, tts::Error::Espeak(_)) {
            self.espeak.degraded(format_args!("{error}; it is started again for the next text"));
        }
        let code = match error {
            tts::Error::Overloaded => ErrorCode::Overloaded,
            tts::Error::Speed(_) | tts::Error::TooLong { .. } => ErrorCode::InvalidArgument,
            _ => ErrorCode::TtsUnavailable,
        };
        code.error(error)
    }

    fn cut(&mut self) -> Option<Bytes> {
        let longest = samples_in_ms(self.account.sample_rate_hz, PIECE_MS).max(1);
        let rest = self.pcm.get(self.handed_out..).filter(|rest| !rest.is_empty())?;
        let piece = &rest[..longest.min(rest.len())];
        let bytes = Bytes::from(pcm16::to_bytes(piece));
        self.handed_out += piece.len();
        Some(bytes)
    }
}

impl Drop for Synthesis {
    fn drop(&mut self) {
        let done = self.account.done();
        self.span.record("audio_ms", done.audio_us / 1000);
        self.span.record("first_pcm_ms", done.first_pcm_ms);
        let _entered = self.span.enter();
        self.account.settle(&done);
    }
}

/// The same chunks, taken from the voice as soon as they are made. Ends with either side.
fn take_in(mut made: mpsc::Receiver<Result<Chunk, tts::Error>>) -> mpsc::Receiver<Result<Chunk, tts::Error>> {
    let (waiting, chunks) = mpsc::channel(CHUNKS_WAITING);
    tokio::spawn(async move {
        while let Some(chunk) = made.recv().await {
            if waiting.send(chunk).await.is_err() {
                return;
            }
        }
    });
    chunks
}

/// What one synthesis took.
struct Account {
    voice: String,
    sample_rate_hz: u32,
    began: Instant,
    first_pcm: Option<Duration>,
    samples: u64,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nobody listens any more; also how every account begins.
    Cancelled,
    Completed,
    Failed,
}

impl Account {
    fn new(voice: &str, sample_rate_hz: u32) -> Self {
        Self {
            voice: voice.to_owned(),
            sample_rate_hz,
            began: Instant::now(),
            first_pcm: None,
            samples: 0,
            outcome: Outcome::Cancelled,
        }
    }

    fn heard(&mut self, samples: usize) {
        self.first_pcm.get_or_insert_with(|| self.began.elapsed());
        self.samples += samples as u64;
    }

    fn done(&self) -> TtsDone {
        let audio_us = self.samples.saturating_mul(1_000_000) / u64::from(self.sample_rate_hz.max(1));
        TtsDone {
            audio_us: i64::try_from(audio_us).unwrap_or(i64::MAX),
            first_pcm_ms: milliseconds(self.first_pcm.unwrap_or_default()),
            total_ms: milliseconds(self.began.elapsed()),
        }
    }

    fn settle(&self, done: &TtsDone) {
        let labels = |error: Option<&'static str>| {
            let mut labels = vec![
                metrics::Label::new("gen_ai_operation_name", "speech"),
                metrics::Label::new("gen_ai_request_model", self.voice.clone()),
            ];
            labels.extend(error.map(|error| metrics::Label::new("error_type", error)));
            labels
        };
        let error = match self.outcome {
            Outcome::Completed => None,
            Outcome::Cancelled => Some("cancelled"),
            Outcome::Failed => Some("tts_unavailable"),
        };
        metrics::gauge!(metric::SYNTHESES).decrement(1.0);
        metrics::histogram!(metric::OPERATION_DURATION, labels(error)).record(self.began.elapsed());
        if let Some(first_pcm) = self.first_pcm {
            metrics::histogram!(metric::TIME_TO_FIRST_TOKEN, labels(None)).record(first_pcm);
        }
        metrics::histogram!(metric::SYNTHESISED).record(done.audio_us as f64 / 1e6);
        tracing::info!(
            outcome = error.unwrap_or("completed"),
            audio_ms = done.audio_us / 1000,
            first_pcm_ms = done.first_pcm_ms,
            total_ms = done.total_ms,
            "spoke"
        );
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
