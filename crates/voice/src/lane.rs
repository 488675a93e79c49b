//! One participant's way in: 48 kHz frames → 16 kHz → voice activity → the lane machine → transcripts.

use std::time::Duration;

use aether_audio::Resampler;
use aether_speech::{stt, vad};
use aether_telemetry::metric;
use aether_turn::activity::{self, Activity};
use aether_turn::floor::LaneId;
use aether_turn::{Generation, lane};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;

use crate::media::SAMPLE_RATE_HZ;
use crate::utterance::{self, Utterance};

/// Samples of one voice-activity window at 16 kHz: 32 ms.
const WINDOW: usize = 512;
/// Half a second of frames: more means that this lane can't keep up, and the newest are dropped and counted.
const QUEUE_FRAMES: usize = 50;
/// Waiting for a place in the transcriber is part of it: the person is told when even this does not suffice.
const TRANSCRIPTION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long silence must last, and what counts as voice.
#[derive(Debug, Clone)]
pub struct Options {
    pub activity: activity::Options,
    /// From the last speech to the decision that the person is done.
    pub endpoint_silence: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { activity: activity::Options::default(), endpoint_silence: Duration::from_millis(500) }
    }
}

/// What listens: shared by all lanes of the process.
#[derive(Clone)]
pub struct Ears {
    pub voice_activity: vad::Model,
    pub transcriber: stt::Transcriber,
}

/// What a lane tells its session.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    Began,
    Ended,
    Draft {
        text: String,
    },
    Said {
        text: String,
        timing: Timing,
    },
    /// The utterance was nothing after all.
    Nothing,
    /// Something was said and could not be transcribed.
    Lost,
    /// The lane has ended: the microphone is muted or its owner has left.
    Closed,
}

/// When the end of an utterance was what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// The end of the last window with voice in it.
    pub last_speech: Instant,
    /// The decision that the person is done.
    pub decided: Instant,
    /// The transcript and the decision are both there.
    pub finished: Instant,
    /// The transcription, from the first silence on; most of it overlaps the wait for the decision.
    pub decode: Duration,
}

/// The session's hold on a lane: push frames; drop it when no more will come.
#[derive(Debug, Clone)]
pub struct LaneInput {
    frames: mpsc::Sender<Vec<i16>>,
}

impl LaneInput {
    /// Takes one frame of 48 kHz mono, any length. Never waits: a frame that finds no room is dropped and counted.
    pub fn push(&self, frame: Vec<i16>) {
        if self.frames.try_send(frame).is_err() {
            metrics::counter!(metric::LANE_DROPPED).increment(1);
        }
    }
}

/// Starts listening to one participant.
pub fn start(id: LaneId, ears: &Ears, options: Options, reports: mpsc::Sender<(LaneId, Report)>) -> LaneInput {
    let (frames, input) = mpsc::channel(QUEUE_FRAMES);
    let shell = Shell {
        id,
        activity: Activity::new(options.activity.clone()),
        options,
        voice_activity: ears.voice_activity.stream(),
        transcriber: ears.transcriber.clone(),
        machine: lane::Lane::new(),
        window: Vec::with_capacity(WINDOW),
        utterance: Utterance::new(),
        decodes: JoinSet::new(),
        decode_cancel: CancellationToken::new(),
        silence: None,
        last_speech: Instant::now(),
        decided: None,
        decode: Duration::ZERO,
        reports,
    };
    tokio::spawn(shell.run(input));
    LaneInput { frames }
}

struct Shell {
    id: LaneId,
    options: Options,
    activity: Activity,
    voice_activity: vad::Stream,
    transcriber: stt::Transcriber,
    machine: lane::Lane,
    window: Vec<f32>,
    utterance: Utterance,
    decodes: JoinSet<Decoded>,
    decode_cancel: CancellationToken,
    /// The armed deadline, if one is.
    silence: Option<(Generation, Instant)>,
    last_speech: Instant,
    decided: Option<Instant>,
    decode: Duration,
    reports: mpsc::Sender<(LaneId, Report)>,
}

struct Decoded {
    generation: Generation,
    took: Duration,
    result: Result<Result<stt::Transcript, stt::Error>, Elapsed>,
}

impl Shell {
    async fn run(mut self, mut input: mpsc::Receiver<Vec<i16>>) {
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
            let silence = self.silence;
            tokio::select! {
                frame = input.recv(), if input_open => match frame {
                    Some(frame) => {
                        let samples = resampler.push(&aether_audio::pcm16::to_f32(&frame));
                        self.hear(&samples).await;
                    }
                    None => {
                        input_open = false;
                        self.step(lane::Event::Closed).await;
                    }
                },
                Some(decoded) = self.decodes.join_next() => {
                    // A decode task that was aborted with its runtime has nothing to tell.
                    if let Ok(decoded) = decoded {
                        self.decoded(decoded).await;
                    }
                },
                generation = elapsed(silence) => {
                    self.silence = None;
                    self.decided = Some(Instant::now());
                    self.step(lane::Event::DeadlineReached { generation }).await;
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
                Ok(probability) => self.heard_window(probability).await,
                Err(error) => tracing::warn!(%error, "voice activity detection failed for one window"),
            }
        }
    }

    async fn heard_window(&mut self, probability: f32) {
        if self.activity.is_speaking() && probability >= self.options.activity.end_threshold {
            self.last_speech = Instant::now();
        }
        match self.activity.next(probability) {
            Some(activity::Change::Began { .. }) => {
                self.last_speech = Instant::now();
                self.utterance.open();
                self.report(Report::Began).await;
                self.step(lane::Event::Began).await;
            }
            Some(activity::Change::Ended { .. }) => {
                self.report(Report::Ended).await;
                self.step(lane::Event::Ended).await;
            }
            None => {}
        }
    }

    async fn decoded(&mut self, decoded: Decoded) {
        let Decoded { generation, took, result } = decoded;
        self.decode = took;
        let event = match result {
            Ok(Ok(transcript)) => {
                metrics::histogram!(metric::STT_DECODE).record(transcript.decode.as_secs_f64());
                let text = if transcript.is_speech() { transcript.text.trim() } else { "" };
                lane::Event::Transcribed { generation, text: text.to_owned() }
            }
            Ok(Err(stt::Error::Cancelled)) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "an utterance could not be transcribed");
                lane::Event::TranscriptionFailed { generation }
            }
            Err(_) => {
                tracing::warn!(limit = ?TRANSCRIPTION_TIMEOUT, "an utterance was not transcribed in time");
                lane::Event::TranscriptionFailed { generation }
            }
        };
        self.step(event).await;
    }

    async fn step(&mut self, event: lane::Event) {
        for effect in self.machine.next(event) {
            match effect {
                lane::Effect::Transcribe { generation } => self.transcribe(generation),
                lane::Effect::CancelTranscription { .. } => self.decode_cancel.cancel(),
                lane::Effect::ArmSilenceDeadline { generation } => {
                    self.silence = Some((generation, self.last_speech + self.options.endpoint_silence));
                }
                lane::Effect::Draft { text, .. } => self.report(Report::Draft { text }).await,
                lane::Effect::Finish { text } => {
                    let timing = self.timing();
                    self.report(Report::Said { text, timing }).await;
                }
                lane::Effect::Discard => self.report(Report::Nothing).await,
                lane::Effect::Lose => self.report(Report::Lost).await,
            }
        }
        if !self.machine.is_open() {
            self.utterance.close();
            self.silence = None;
            self.decided = None;
        }
    }

    fn timing(&self) -> Timing {
        let finished = Instant::now();
        Timing {
            last_speech: self.last_speech,
            decided: self.decided.unwrap_or(finished),
            finished,
            decode: self.decode,
        }
    }

    fn transcribe(&mut self, generation: Generation) {
        self.decode_cancel.cancel();
        self.decode_cancel = CancellationToken::new();
        let cancel = self.decode_cancel.clone();
        let transcriber = self.transcriber.clone();
        let request = stt::Request {
            samples: self.utterance.samples(),
            priority: stt::Priority::Final,
            lane: u64::from(self.id.0),
        };
        self.decodes.spawn(async move {
            let began = Instant::now();
            let decode = transcriber.transcribe(request, cancel.clone());
            let result = tokio::time::timeout(TRANSCRIPTION_TIMEOUT, decode).await;
            if result.is_err() {
                cancel.cancel();
            }
            Decoded { generation, took: began.elapsed(), result }
        });
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

/// Resolves when the deadline has passed; never without one.
async fn elapsed(deadline: Option<(Generation, Instant)>) -> Generation {
    match deadline {
        Some((generation, at)) => {
            tokio::time::sleep_until(at).await;
            generation
        }
        None => std::future::pending().await,
    }
}
