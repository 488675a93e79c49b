//! One participant's way in: 48 kHz frames → 16 kHz → voice activity → the lane machine → transcripts.
//!
//! While somebody speaks, `partials.rs` says when to transcribe them; in a silence, `pause.rs` says what is known of it and how
//! long it must last.

mod echo;
mod report;

use std::time::Duration;

use aether_audio::{Resampler, level};
use aether_speech::{end_of_turn, stt, vad};
use aether_telemetry::metric;
use aether_turn::activity::{self, Activity};
use aether_turn::endpointing::Endpointing;
pub use aether_turn::endpointing::Options as EndpointingOptions;
use aether_turn::floor::LaneId;
use aether_turn::{Generation, lane};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::deadline::at;
use crate::media::SAMPLE_RATE_HZ;
use crate::partials::Partials;
use crate::pause::{Deadline, Pause};
use crate::recorder::Recorder;
use crate::sentence::Sentences;
use crate::utterance::{self, Utterance};
use echo::Echo;
pub use report::{Report, Timing};

/// Samples of one voice-activity window at 16 kHz: 32 ms.
const WINDOW: usize = 512;
/// Half a second of frames: more means that this lane can't keep up, and the newest are dropped and counted.
const QUEUE_FRAMES: usize = 50;
/// A shorter silence may lie within a word, or be a misheard consonant: the words around it are transcribed together.
const LEAST_BREAK: Duration = Duration::from_millis(300);
/// Waiting for a place in the transcriber is part of it: the person is told when even this does not suffice.
const TRANSCRIPTION_TIMEOUT: Duration = Duration::from_secs(20);

/// What counts as voice, how long silence must last, and what is done ahead.
#[derive(Debug, Clone)]
pub struct Options {
    pub activity: activity::Options,
    pub endpointing: EndpointingOptions,
    /// In a pause the language model is asked whether the sentence may end there.
    pub sentences: bool,
    /// People are transcribed while they speak.
    pub partials: bool,
    /// Answers are made ahead in a pause that is likely to be the end.
    pub guesses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            activity: activity::Options::default(),
            endpointing: EndpointingOptions::default(),
            sentences: true,
            partials: true,
            guesses: true,
        }
    }
}

/// What listens: shared by all lanes of the process.
#[derive(Clone)]
pub struct Ears {
    pub voice_activity: vad::Model,
    pub transcriber: stt::Transcriber,
    /// Without it silence is judged by its words alone.
    pub end_of_turn: Option<end_of_turn::Model>,
}

/// The session's hold on a lane: push frames; drop it when no more will come.
#[derive(Debug, Clone)]
pub struct LaneInput {
    frames: mpsc::Sender<Frame>,
}

/// What a microphone heard.
#[derive(Debug, Clone)]
pub struct Frame {
    /// 48 kHz mono, any length.
    pub samples: Vec<i16>,
    /// It is the agent's own voice that came back, as far as can be told by now.
    pub is_echo: bool,
}

impl LaneInput {
    /// Takes the next frame. Never waits: a frame that finds no room is dropped and counted.
    pub fn push(&self, frame: Frame) {
        if self.frames.try_send(frame).is_err() {
            metrics::counter!(metric::LANE_DROPPED).increment(1);
        }
    }
}

/// Starts listening to one participant.
pub(crate) fn start(
    id: LaneId,
    ears: &Ears,
    sentences: Sentences,
    options: Options,
    reports: mpsc::Sender<(LaneId, Report)>,
    recorder: Recorder,
) -> LaneInput {
    let (frames, input) = mpsc::channel(QUEUE_FRAMES);
    let shell = Shell {
        id,
        activity: Activity::new(options.activity.clone()),
        endpointing: Endpointing::new(options.endpointing.clone()),
        options,
        voice_activity: ears.voice_activity.stream(),
        ears: ears.clone(),
        sentences,
        machine: lane::Lane::new(),
        window: Vec::with_capacity(WINDOW),
        utterance: Utterance::new(),
        echo: Echo::default(),
        partials: Partials::default(),
        work: JoinSet::new(),
        reading_ahead: false,
        decode_cancel: CancellationToken::new(),
        pause: None,
        last_speech: Instant::now(),
        last_end: None,
        was_said: false,
        went_on: false,
        end: None,
        decode: Duration::ZERO,
        reports,
        recorder,
    };
    tokio::spawn(shell.run(input).in_current_span());
    LaneInput { frames }
}

struct Shell {
    id: LaneId,
    options: Options,
    activity: Activity,
    voice_activity: vad::Stream,
    ears: Ears,
    sentences: Sentences,
    endpointing: Endpointing,
    machine: lane::Lane,
    window: Vec<f32>,
    utterance: Utterance,
    echo: Echo,
    partials: Partials,
    work: JoinSet<Done>,
    /// The language model reads what was said so far.
    reading_ahead: bool,
    decode_cancel: CancellationToken,
    /// The silence that is going on in an utterance.
    pause: Option<Pause>,
    last_speech: Instant,
    /// When the speech of the utterance before ended.
    last_end: Option<Instant>,
    /// The utterance before had words, and was taken for whole.
    was_said: bool,
    /// This one began so soon after it that it belongs to it.
    went_on: bool,
    /// When the silence was the end, once it was.
    end: Option<Deadline>,
    decode: Duration,
    reports: mpsc::Sender<(LaneId, Report)>,
    recorder: Recorder,
}

/// What was worked out beside the loop.
enum Done {
    Decoded {
        generation: Generation,
        took: Duration,
        result: Result<Result<stt::Transcript, stt::Error>, Elapsed>,
    },
    Partial {
        utterance: u64,
        result: Result<stt::Transcript, stt::Error>,
    },
    Judged {
        generation: Generation,
        done: Option<f32>,
    },
    /// Whether the sentence may end there.
    Read {
        generation: Generation,
        ends: Option<f32>,
    },
    ReadAhead,
}

impl Shell {
    async fn run(mut self, mut input: mpsc::Receiver<Frame>) {
        let mut resampler = match Resampler::new(SAMPLE_RATE_HZ, utterance::SAMPLE_RATE_HZ as u32) {
            Ok(resampler) => resampler,
            Err(error) => {
                tracing::error!(%error, "no resampler for this lane");
                self.report(Report::Closed).await;
                return;
            }
        };
        let mut input_open = true;
        while input_open || self.machine.is_open() {
            // Each arm only receives; what it received is handled below, so nothing is lost when another arm wins.
            let ask_at = self.pause.as_ref().and_then(Pause::ask_at);
            let deadline = self.pause.as_ref().and_then(|pause| pause.deadline(&self.endpointing));
            let awaited = self.pause.as_ref().and_then(Pause::awaited);
            tokio::select! {
                frame = input.recv(), if input_open => match frame {
                    Some(frame) => {
                        self.echo.hear(frame.is_echo);
                        let samples = resampler.push(&aether_audio::pcm16::to_f32(&frame.samples));
                        self.hear(&samples).await;
                    }
                    None => {
                        input_open = false;
                        // Who has left is silent, whatever they were saying and however long it takes to transcribe it.
                        if self.machine.is_speaking() {
                            self.report(Report::Ended).await;
                        }
                        self.step(lane::Event::Closed).await;
                    }
                },
                Some(done) = self.work.join_next() => {
                    // A task that was aborted with its runtime has nothing to tell.
                    if let Ok(done) = done {
                        self.take(done).await;
                    }
                },
                () = at(ask_at) => self.judge(),
                () = cancelled(awaited) => {
                    if let Some(pause) = &mut self.pause {
                        pause.answered();
                    }
                },
                () = at(deadline.map(|deadline| deadline.at)) => {
                    if let (Some(pause), Some(deadline)) = (&mut self.pause, deadline) {
                        pause.end();
                        let held = deadline.at - deadline.decided;
                        tracing::debug!(lane = self.id.0, wait = ?deadline.wait, ?held, "a silence is the end");
                        self.end = Some(deadline);
                        let generation = pause.generation;
                        self.step(lane::Event::DeadlineReached { generation }).await;
                    }
                }
            }
        }
        self.report(Report::Closed).await;
    }

    /// Takes 16 kHz samples.
    async fn hear(&mut self, samples: &[f32]) {
        self.utterance.push(samples);
        self.window.extend_from_slice(samples);
        while let Some(&window) = self.window.first_chunk::<WINDOW>() {
            self.window.drain(..WINDOW);
            match self.voice_activity.push(&window) {
                Ok(probability) => self.heard_window(probability, level::rms_dbfs(&window)).await,
                Err(error) => tracing::warn!(%error, "voice activity detection failed for one window"),
            }
        }
    }

    async fn heard_window(&mut self, probability: f32, dbfs: f32) {
        let now = Instant::now();
        let is_voice = self.activity.is_voice(probability, dbfs);
        if is_voice {
            self.echo.voice();
        }
        // Whoever hears themselves hears nobody.
        let probability = if self.echo.is_heard() { 0.0 } else { probability };
        let is_voice = is_voice && !self.echo.is_heard();
        if self.activity.is_speaking() && is_voice {
            self.last_speech = now;
        }
        match self.activity.next(probability, dbfs) {
            Some(activity::Change::Began { .. }) => {
                self.get_to_know(now);
                self.last_speech = now;
                if !self.machine.is_open() {
                    self.echo.begin();
                }
                self.utterance.open();
                self.partials.begin(now);
                self.report(Report::Began).await;
                self.step(lane::Event::Began).await;
            }
            Some(activity::Change::Ended { .. }) => {
                self.partials.pause();
                self.report(Report::Ended).await;
                self.step(lane::Event::Ended).await;
            }
            // In a breath there is nothing new to transcribe, and the end may be near.
            None if is_voice && self.options.partials => self.transcribe_partially(now),
            None => {}
        }
    }

    /// A silence is over: it was a pause of this person. So was one that was taken for the end too early.
    fn get_to_know(&mut self, now: Instant) {
        let pause = self.pause.take();
        let silent_since = if pause.is_some() { Some(self.last_speech) } else { self.last_end };
        if now - self.last_speech >= LEAST_BREAK
            && let Some(words) = pause.as_ref().and_then(Pause::words)
        {
            self.utterance.settle(words);
        }
        let silence = silent_since.map(|since| now - since);
        let silence = silence.filter(|silence| *silence <= self.options.endpointing.longest);
        if let Some(silence) = silence {
            self.endpointing.went_on_after(silence);
        }
        if pause.is_none() {
            self.went_on = self.was_said && silence.is_some();
        }
    }

    async fn take(&mut self, done: Done) {
        match done {
            Done::Decoded { generation, took, result } => self.decoded(generation, took, result).await,
            Done::Partial { utterance, result } => self.decoded_partially(utterance, result).await,
            Done::Judged { generation, done } => {
                tracing::debug!(lane = self.id.0, done, "how a silence sounds");
                if let Some(pause) = self.pause.as_mut().filter(|pause| pause.generation == generation) {
                    pause.judged(done);
                    self.guess().await;
                }
            }
            Done::ReadAhead => self.reading_ahead = false,
            Done::Read { generation, ends } => {
                tracing::debug!(lane = self.id.0, ends, "what was said up to a silence");
                if let Some(pause) = self.pause.as_mut().filter(|pause| pause.generation == generation) {
                    pause.read(ends);
                }
            }
        }
    }

    async fn decoded(
        &mut self,
        generation: Generation,
        took: Duration,
        result: Result<Result<stt::Transcript, stt::Error>, Elapsed>,
    ) {
        self.decode = took;
        let text = match result {
            Ok(Ok(transcript)) => {
                measure(&transcript);
                self.partials.overtaken();
                Some(self.utterance.words(self.believed(&transcript)))
            }
            Ok(Err(stt::Error::Cancelled)) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "an utterance could not be transcribed");
                None
            }
            Err(_) => {
                tracing::warn!(limit = ?TRANSCRIPTION_TIMEOUT, "an utterance was not transcribed in time");
                None
            }
        };
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.generation == generation) {
            let words = text.clone().unwrap_or_default();
            let question = self.sentences.question(&words);
            pause.transcribed(words, question.is_some());
            if let Some(question) = question {
                self.work.spawn(async move { Done::Read { generation, ends: question.await } });
            }
        }
        self.step(match text {
            Some(text) => lane::Event::Transcribed { generation, text },
            None => lane::Event::TranscriptionFailed { generation },
        })
        .await;
    }

    async fn decoded_partially(&mut self, utterance: u64, result: Result<stt::Transcript, stt::Error>) {
        let text = match &result {
            Ok(transcript) => {
                measure(transcript);
                &self.utterance.words(self.believed(transcript))
            }
            Err(_) => "",
        };
        if !self.partials.decoded(utterance, Instant::now()) || !self.machine.is_open() {
            return;
        }
        if self.machine.is_speaking() {
            // That nothing was understood of a voice is told once it has ended: only then it was no reason to fall silent.
            if text.is_empty() {
                return;
            }
            self.read_ahead(text);
        }
        self.report(Report::Partial { text: text.to_owned() }).await;
    }

    /// Has the language model read the words that are there, while it has nothing else to do. What it makes of them is no
    /// answer to anything yet: when it is asked in the pause, only the last few will be new to it.
    fn read_ahead(&mut self, words: &str) {
        if self.reading_ahead {
            return;
        }
        if let Some(question) = self.sentences.question(words) {
            self.reading_ahead = true;
            self.work.spawn(async move {
                question.await;
                Done::ReadAhead
            });
        }
    }

    /// Whether the words of the pause were reported as a guess just now.
    async fn guess(&mut self) -> bool {
        let guess = self.pause.as_mut().filter(|_| self.options.guesses).and_then(Pause::guess);
        let Some((text, awaited)) = guess else { return false };
        self.report(Report::Guess { text, awaited }).await;
        true
    }

    async fn step(&mut self, event: lane::Event) {
        for effect in self.recorder.lane(self.id, &mut self.machine, event) {
            match effect {
                lane::Effect::Transcribe { generation } => self.transcribe(generation),
                lane::Effect::CancelTranscription { .. } => self.decode_cancel.cancel(),
                lane::Effect::ArmSilenceDeadline { generation } => {
                    let has_model = self.ears.end_of_turn.is_some();
                    self.pause = Some(Pause::new(generation, self.last_speech, has_model));
                }
                lane::Effect::Draft { text, .. } => {
                    if !self.guess().await {
                        self.report(Report::Draft { text }).await;
                    }
                }
                lane::Effect::Finish { text } => {
                    self.was_said = true;
                    let timing = self.timing();
                    self.report(Report::Said { text, timing }).await;
                }
                lane::Effect::Discard => {
                    self.was_said = false;
                    self.report(Report::Nothing).await;
                }
                lane::Effect::Lose => {
                    self.was_said = false;
                    self.report(Report::Lost).await;
                }
            }
        }
        if !self.machine.is_open() {
            self.utterance.close();
            self.partials.end();
            self.pause = None;
            self.end = None;
            self.last_end = Some(self.last_speech);
        }
    }

    fn timing(&self) -> Timing {
        let wait = self.end.map_or(Duration::ZERO, |end| end.wait);
        let finished = self.end.map_or_else(Instant::now, |end| end.decided);
        let decided = (self.last_speech + wait).min(finished);
        let (last_speech, went_on) = (self.last_speech, self.went_on);
        Timing { last_speech, wait, decided, finished, decode: self.decode, went_on }
    }

    /// Asks the end-of-turn network what it thinks of the silence.
    fn judge(&mut self) {
        let (Some(pause), Some(model)) = (&mut self.pause, &self.ears.end_of_turn) else { return };
        pause.asked();
        let (generation, model, samples) =
            (pause.generation, model.clone(), self.utterance.newest(end_of_turn::WINDOW));
        let span = Span::current();
        self.work.spawn_blocking(move || {
            let done = model.probability(&samples);
            if let Err(error) = &done {
                span.in_scope(|| tracing::warn!(%error, "a silence could not be judged"));
            }
            Done::Judged { generation, done: done.ok() }
        });
    }

    fn transcribe_partially(&mut self, now: Instant) {
        let Some((utterance, wanted)) = self.partials.start(now) else { return };
        let request = self.request(stt::Priority::Partial);
        let transcriber = self.ears.transcriber.clone();
        self.work.spawn(async move {
            let result = transcriber.transcribe(request, wanted).await;
            Done::Partial { utterance, result }
        });
    }

    fn request(&self, priority: stt::Priority) -> stt::Request {
        stt::Request { samples: self.utterance.unsettled(), priority, lane: u64::from(self.id.0) }
    }

    fn transcribe(&mut self, generation: Generation) {
        self.decode_cancel.cancel();
        self.decode_cancel = CancellationToken::new();
        let cancel = self.decode_cancel.clone();
        let transcriber = self.ears.transcriber.clone();
        let request = self.request(stt::Priority::Final);
        self.work.spawn(async move {
            let began = Instant::now();
            let decode = transcriber.transcribe(request, cancel.clone());
            let result = tokio::time::timeout(TRANSCRIPTION_TIMEOUT, decode).await;
            if result.is_err() {
                cancel.cancel();
            }
            Done::Decoded { generation, took: began.elapsed(), result }
        });
    }

    /// What was said, if anything was, by somebody else than the agent.
    fn believed<'a>(&self, transcript: &'a stt::Transcript) -> &'a str {
        let (is_speech, is_echo) = (transcript.is_speech(), self.echo.was_all());
        tracing::debug!(?transcript, is_speech, is_echo, "transcribed");
        if is_speech && !is_echo { transcript.text.trim() } else { "" }
    }

    async fn report(&self, report: Report) {
        // The session may be gone already; then nobody wants to know.
        let _ = self.reports.send((self.id, report)).await;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.decode_cancel.cancel();
    }
}

/// Resolves when this is cancelled; never without one.
async fn cancelled(token: Option<CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}

/// What a transcript, partial or final, took of the decoders.
fn measure(transcript: &stt::Transcript) {
    metrics::histogram!(metric::STT_DECODE).record(transcript.decode);
    metrics::histogram!(metric::STT_WAIT).record(transcript.waited);
    metrics::histogram!(metric::STT_AUDIO).record(transcript.audio);
}
