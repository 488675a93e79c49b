//! How quick we were lately: `/metrics/latency`, the stages of the table of what "fast" means, as percentiles.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aether_proto::TurnMetrics;
use aether_telemetry::metric;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::App;

/// What was measured longer ago says nothing about now.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Of one stage within the window; what is older goes first.
const MOST_SAMPLES: usize = 4096;

/// A stretch of time that somebody waits through, and what of it is fast enough, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A written question arrives here → the first token of its answer leaves.
    ChatFirstToken,
    /// Last speech sample → the first token of the answer.
    VoiceFirstToken,
    /// First token of an answer → its first PCM.
    AudioStartAfterFirstText,
    /// Last speech sample → the decision that the person is done.
    Endpoint,
    Stt,
    LlmFirstToken,
    TtsFirstAudio,
    /// Last speech sample → first PCM frame handed to the room.
    WholeTurn,
    /// What of it neither a model nor a wait on purpose took.
    Overhead,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::ChatFirstToken,
        Self::VoiceFirstToken,
        Self::AudioStartAfterFirstText,
        Self::Endpoint,
        Self::Stt,
        Self::LlmFirstToken,
        Self::TtsFirstAudio,
        Self::WholeTurn,
        Self::Overhead,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ChatFirstToken => "chat_first_token",
            Self::VoiceFirstToken => "voice_first_token",
            Self::AudioStartAfterFirstText => "audio_start_after_first_text",
            Self::Endpoint => "endpoint",
            Self::Stt => "stt",
            Self::LlmFirstToken => "llm_first_token",
            Self::TtsFirstAudio => "tts_first_audio",
            Self::WholeTurn => "whole_turn",
            Self::Overhead => "overhead",
        }
    }

    /// The most that p50 and p95 may be.
    const fn pass_ms(self) -> (Option<u32>, Option<u32>) {
        match self {
            Self::ChatFirstToken => (Some(700), Some(1800)),
            Self::VoiceFirstToken => (Some(900), Some(2200)),
            Self::AudioStartAfterFirstText => (Some(350), Some(900)),
            Self::Stt => (None, Some(400)),
            Self::LlmFirstToken => (None, Some(800)),
            Self::TtsFirstAudio => (None, Some(300)),
            Self::WholeTurn => (None, Some(1000)),
            Self::Endpoint | Self::Overhead => (None, None),
        }
    }
}

/// The latest measurements. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Latency {
    samples: Arc<Mutex<[Samples; Stage::ALL.len()]>>,
}

/// When, and how many milliseconds; oldest first.
type Samples = VecDeque<(Instant, f64)>;

#[derive(Serialize)]
struct Summary {
    count: usize,
    /// Milliseconds; `null` where nothing was measured.
    p50: Option<f64>,
    p95: Option<f64>,
    pass_p50_ms: Option<u32>,
    pass_p95_ms: Option<u32>,
    /// Whether both are within what passes; `null` where nothing was measured or nothing is asked.
    pass: Option<bool>,
}

impl Latency {
    pub fn of_chat(&self, first_token: Duration) {
        metrics::histogram!(metric::CHAT_FIRST_TOKEN).record(first_token);
        self.record(Stage::ChatFirstToken, first_token.as_secs_f64() * 1e3);
    }

    /// A spoken turn, as its agent measured it. A stage that was not reached is 0 there.
    pub fn of_voice(&self, turn: &TurnMetrics) {
        if turn.total_ms == 0 {
            return;
        }
        let ms = f64::from;
        self.record(Stage::VoiceFirstToken, ms(turn.endpoint_ms) + ms(turn.stt_ms) + ms(turn.llm_first_token_ms));
        self.record(Stage::AudioStartAfterFirstText, ms(turn.llm_first_chunk_ms) + ms(turn.tts_first_audio_ms));
        self.record(Stage::Endpoint, ms(turn.endpoint_ms));
        self.record(Stage::Stt, ms(turn.stt_decode_ms));
        self.record(Stage::LlmFirstToken, ms(turn.llm_first_token_ms));
        self.record(Stage::TtsFirstAudio, ms(turn.tts_first_audio_ms));
        self.record(Stage::WholeTurn, ms(turn.total_ms));
        self.record(Stage::Overhead, ms(turn.overhead_us) / 1e3);
    }

    fn record(&self, stage: Stage, ms: f64) {
        let mut all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = &mut all[stage as usize];
        if samples.len() == MOST_SAMPLES {
            samples.pop_front();
        }
        samples.push_back((Instant::now(), ms));
    }

    fn summary(&self, stage: Stage) -> Summary {
        let mut recent: Vec<f64> = {
            let mut all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            let samples = &mut all[stage as usize];
            while samples.front().is_some_and(|(at, _)| at.elapsed() > WINDOW) {
                samples.pop_front();
            }
            samples.iter().map(|(_, ms)| *ms).collect()
        };
        recent.sort_by(f64::total_cmp);
        let (p50, p95) = (percentile(&recent, 50), percentile(&recent, 95));
        let (pass_p50_ms, pass_p95_ms) = stage.pass_ms();
        let within = |measured: Option<f64>, limit: Option<u32>| Some(measured? <= f64::from(limit?));
        let verdicts = [within(p50, pass_p50_ms), within(p95, pass_p95_ms)];
        let pass = verdicts.into_iter().flatten().reduce(|a, b| a && b);
        Summary { count: recent.len(), p50, p95, pass_p50_ms, pass_p95_ms, pass }
    }
}

/// The smallest sample that so many percent of all are not above.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// `GET /metrics/latency`
pub(crate) async fn show(State(app): State<App>) -> Json<Value> {
    let stages: Map<String, Value> =
        Stage::ALL.into_iter().map(|stage| (stage.name().to_owned(), json!(app.latency.summary(stage)))).collect();
    Json(json!({ "window_seconds": WINDOW.as_secs(), "stages": stages }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50.0), Some(95.0)));
        assert_eq!(percentile(&[7.0], 95), Some(7.0));
        assert_eq!(percentile(&[], 95), None);
    }

    #[test]
    fn a_stage_says_whether_it_was_fast_enough_and_keeps_a_bounded_past() {
        let latency = Latency::default();
        assert_eq!(latency.summary(Stage::ChatFirstToken).pass, None);
        for _ in 0..MOST_SAMPLES + 10 {
            latency.of_chat(Duration::from_millis(600));
        }
        let summary = latency.summary(Stage::ChatFirstToken);
        assert_eq!((summary.count, summary.p50, summary.pass), (MOST_SAMPLES, Some(600.0), Some(true)));
        for _ in 0..MOST_SAMPLES / 10 {
            latency.of_chat(Duration::from_secs(3));
        }
        assert_eq!(latency.summary(Stage::ChatFirstToken).pass, Some(false), "one in ten took 3 s");
    }

    #[test]
    fn a_turn_that_was_never_heard_counts_nowhere() {
        let latency = Latency::default();
        latency.of_voice(&TurnMetrics { endpoint_ms: 500, ..TurnMetrics::default() });
        latency.of_voice(&TurnMetrics {
            endpoint_ms: 500,
            llm_first_token_ms: 100,
            total_ms: 800,
            ..TurnMetrics::default()
        });
        let summary = latency.summary(Stage::VoiceFirstToken);
        assert_eq!((summary.count, summary.p50), (1, Some(600.0)));
    }
}
