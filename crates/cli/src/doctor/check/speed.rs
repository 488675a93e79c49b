//! How long an answer will take, before the first one: each engine is timed on its own, and the sum is told.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_audio::{RECOGNITION_HZ, Resampler, wav};
use aether_llm::{ChatRequest, Delta, Message};
use aether_models::ModelStore;
use aether_settings::{HttpSettings, LlmSettings, SpeechSettings, TurnTakingSettings};
use aether_speech::stt::{Options, Priority, Request, Transcriber};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::language_model;
use crate::doctor::Section::Speed;
use crate::doctor::{Finding, Surroundings, numbers};
use crate::talk::CHECK_QUESTION;

/// What each engine gets; together they stay within some ten seconds.
const PER_ENGINE: Duration = Duration::from_secs(6);
/// Words of one answer that are waited for.
const TOKENS: std::num::NonZeroU32 = std::num::NonZeroU32::new(24).unwrap();
/// Until a first clause is whole.
const TOKENS_OF_A_CLAUSE: f64 = 12.0;
/// Both ways through LiveKit, and the buffers at their ends.
const NETWORK: Duration = Duration::from_millis(90);
/// Longer, and people speak again before they hear anything.
const SLOW: Duration = Duration::from_secs(2);
const PERSONA: &str = "You are a friendly voice agent. Answer in one or two short sentences, as they are spoken.";
const QUESTION: &str = "What is a good way to begin the day?";
const SENTENCE: &str = "Good morning, it is nice to hear you again.";

/// What was found out; what could not be measured is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Measured {
    hearing: Option<Duration>,
    first_token: Option<Duration>,
    tokens_per_second: Option<f64>,
    speaking: Option<Duration>,
}

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let mut measured = Measured::default();
    let mut findings = Vec::new();
    match within(hearing(&around)).await {
        Ok((clip, took)) => {
            measured.hearing = Some(took);
            let (clip, took) = (clip.as_secs_f64(), numbers::milliseconds(took));
            findings.push(
                Speed
                    .ok("hearing", format!("{clip:.1} s of speech are written down in {took:.0} ms"))
                    .with("transcribe_ms", took),
            );
        }
        Err(why) => findings.push(Speed.skipped("hearing", why)),
    }
    match within(thinking(&around)).await {
        Ok((first, rate)) => {
            (measured.first_token, measured.tokens_per_second) = (Some(first), rate);
            let first = numbers::milliseconds(first);
            let pace = rate.map_or_else(String::new, |rate| format!(", then {rate:.0} tokens a second"));
            let finding =
                Speed.ok("thinking", format!("first token after {first:.0} ms{pace}")).with("first_token_ms", first);
            findings.push(finding.with("tokens_per_second", rate.unwrap_or(0.0)));
        }
        Err(why) => findings.push(Speed.skipped("thinking", why)),
    }
    match within(speaking(&around)).await {
        Ok(took) => {
            measured.speaking = Some(took);
            let took = numbers::milliseconds(took);
            findings.push(Speed.ok("speaking", format!("first sound after {took:.0} ms")).with("first_sound_ms", took));
        }
        Err(why) => findings.push(Speed.skipped("speaking", why)),
    }
    findings.push(match around.context.settings(TurnTakingSettings::read) {
        Ok(turn) => forecast(measured, &turn),
        Err(_) => Speed.skipped("an answer", "the settings of turn-taking are wrong"),
    });
    findings
}

async fn within<T>(measuring: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("took longer than {} s, so nothing was measured", PER_ENGINE.as_secs()));
    tokio::time::timeout(PER_ENGINE, measuring).await.unwrap_or_else(late)
}

/// A recorded question through the model that transcribes, in this process: its length, and how long it took.
async fn hearing(around: &Surroundings) -> Result<(Duration, Duration), String> {
    let speech = around.context.settings(SpeechSettings::read).map_err(|_| "its settings are wrong".to_owned())?;
    let store = ModelStore::new(around.context.layout().models());
    let files = store.require_all(&speech.whisper_model);
    let weights = files.map_err(|error| error.to_string())?.into_iter().next().ok_or("the model has no files")?;
    let defaults = Options::default();
    let threads = speech.whisper_threads.map_or(defaults.threads, |threads| threads as usize);
    let transcriber = load(&weights, Options { threads, ..defaults }).await?;
    let samples = question()?;
    let clip = Duration::from_secs_f64(samples.len() as f64 / f64::from(RECOGNITION_HZ));
    let mut took = Duration::ZERO;
    // The first decode touches the model's pages; the second is what a person waits for.
    for _ in 0..2 {
        let began = Instant::now();
        let request = Request { samples: samples.clone(), priority: Priority::Final, lane: 0 };
        transcriber.transcribe(request, CancellationToken::new()).await.map_err(|error| error.to_string())?;
        took = began.elapsed();
    }
    Ok((clip, took))
}

async fn load(weights: &Path, options: Options) -> Result<Transcriber, String> {
    let weights = weights.to_owned();
    let loading = tokio::task::spawn_blocking(move || Transcriber::load(&weights, options));
    loading.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn question() -> Result<Vec<f32>, String> {
    let wav = wav::read(CHECK_QUESTION).map_err(|error| error.to_string())?;
    Resampler::convert(&wav.samples, wav.sample_rate_hz, RECOGNITION_HZ).map_err(|error| error.to_string())
}

/// One short answer, its prompt read beforehand as brain does it: when its first token comes, and how fast the others.
async fn thinking(around: &Surroundings) -> Result<(Duration, Option<f64>), String> {
    if around.nobody_to_ask(Speed, "llm", "llm.endpoint").is_some() {
        return Err("the language model does not run; `aether up` starts it".to_owned());
    }
    let settings = around.context.settings(LlmSettings::read).map_err(|_| "its settings are wrong".to_owned())?;
    let client = language_model::client(&settings).map_err(|error| error.to_string())?;
    if client.models().await.is_err() {
        return Err("the language model does not answer; see above".to_owned());
    }
    // Otherwise every look after the first would find the answer in the server's cache.
    let persona = format!("{PERSONA} It is look number {}.", std::process::id());
    client.prefill(vec![Message::system(persona.as_str())]).await.map_err(|error| error.to_string())?;
    let messages = vec![Message::system(persona), Message::user(QUESTION)];
    let request = ChatRequest { max_tokens: TOKENS, temperature: Some(0.0), ..ChatRequest::new(messages) };
    let began = Instant::now();
    let mut completion = client.chat(request, CancellationToken::new());
    let (mut first, mut last, mut tokens) = (None, began, 0_u32);
    while let Some(delta) = completion.next().await {
        if let Delta::Text(_) = delta.map_err(|error| error.to_string())? {
            last = Instant::now();
            first.get_or_insert(last);
            tokens += 1;
        }
    }
    let first = first.ok_or("the answer was empty")?;
    let rest = (last - first).as_secs_f64();
    let rate = (tokens > 1 && rest > 0.0).then(|| f64::from(tokens - 1) / rest);
    Ok((first - began, rate))
}

/// When the first sound of a sentence comes from the running voice.
async fn speaking(around: &Surroundings) -> Result<Duration, String> {
    if !around.is_up() {
        return Err("the voice does not run; `aether up` starts it".to_owned());
    }
    let bind = around.context.settings(HttpSettings::tts).map_err(|_| "its settings are wrong".to_owned())?.bind;
    let host = if bind.ip().is_unspecified() { "127.0.0.1".to_owned() } else { bind.ip().to_string() };
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let began = Instant::now();
    let asked = client
        .post(format!("http://{host}:{}/tts/stream?format=pcm", bind.port()))
        .header("content-type", "text/plain")
        .body(SENTENCE)
        .send();
    let answer = asked.await.map_err(|_| "the voice does not answer; look at `aether status`".to_owned())?;
    if !answer.status().is_success() {
        return Err(format!("the voice answers HTTP {}; look at `aether status`", answer.status().as_u16()));
    }
    match answer.bytes_stream().next().await {
        Some(Ok(_)) => Ok(began.elapsed()),
        _ => Err("the voice hung up; look at its log".to_owned()),
    }
}

fn forecast(measured: Measured, turn: &TurnTakingSettings) -> Finding {
    let Measured {
        hearing: Some(hearing),
        first_token: Some(first_token),
        tokens_per_second,
        speaking: Some(speaking),
    } = measured
    else {
        return Speed.skipped(
            "an answer",
            "can be foretold once hearing, thinking and speaking can be measured: start with `aether up`",
        );
    };
    let waited = if turn.end_of_turn_model.is_some() { turn.endpoint_shortest } else { turn.endpoint_silence };
    let clause =
        tokens_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(TOKENS_OF_A_CLAUSE / rate.max(0.1)));
    let made = hearing + first_token + clause + speaking;
    // Working ahead, the answer is made while it is still waited for more words.
    let total = if turn.work_ahead { made.max(waited) } else { made + waited } + NETWORK;
    let milliseconds = numbers::milliseconds(total);
    let parts =
        [("hearing", hearing), ("first token", first_token), ("first clause", clause), ("first sound", speaking)];
    let longest = parts.into_iter().max_by_key(|(_, took)| *took).map_or("", |(name, _)| name);
    let waiting = if turn.work_ahead && made <= waited { ", nearly all of it the wait for more words" } else { "" };
    let found = format!("about {:.1} s after the last word something is heard{waiting}", total.as_secs_f64());
    let finding = if total > SLOW {
        let remedy = match longest {
            "hearing" => "the longest part is hearing: a smaller WHISPER_MODEL, or more cores",
            "first sound" => "the longest part is the voice: more cores, or fewer programs beside it",
            _ => "the longest part is the language model: a smaller LLM_MODEL, or one on a GPU (LLM_ENDPOINT)",
        };
        Speed.warning("an answer", found, remedy)
    } else {
        Speed.ok("an answer", found)
    };
    finding.with("first_audio_ms", milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn turn(work_ahead: &str) -> TurnTakingSettings {
        let environment = |name: &str| (name == "AETHER_WORK_AHEAD").then(|| work_ahead.to_owned());
        aether_settings::Loader::new(environment, None).load(TurnTakingSettings::read).unwrap()
    }

    fn measured(hearing: u64, first_token: u64, rate: f64, speaking: u64) -> Measured {
        Measured {
            hearing: Some(Duration::from_millis(hearing)),
            first_token: Some(Duration::from_millis(first_token)),
            tokens_per_second: Some(rate),
            speaking: Some(Duration::from_millis(speaking)),
        }
    }

    #[test]
    fn the_sum_is_foretold_with_its_longest_part() {
        for (measured, work_ahead, first_audio_ms, status, longest) in [
            // Made while it was waited for more words: 800 ms, and the network.
            (measured(30, 50, 120.0, 20), "on", 890.0, Status::Ok, ""),
            (measured(30, 50, 120.0, 20), "off", 1090.0, Status::Ok, ""),
            (measured(400, 300, 12.0, 100), "on", 1890.0, Status::Ok, ""),
            (measured(400, 300, 6.0, 100), "on", 2890.0, Status::Warning, "language model"),
            (measured(3000, 300, 60.0, 100), "on", 3690.0, Status::Warning, "hearing"),
        ] {
            let finding = forecast(measured, &turn(work_ahead));
            assert_eq!((finding.figures["first_audio_ms"], finding.status), (first_audio_ms, status));
            assert!(finding.remedy.unwrap_or_default().contains(longest));
        }
    }

    #[test]
    fn what_was_not_measured_is_not_foretold() {
        let finding = forecast(Measured { speaking: None, ..measured(1, 1, 1.0, 1) }, &turn("on"));
        assert_eq!(finding.status, Status::Skipped);
    }

    #[test]
    fn the_question_is_speech_of_some_seconds() {
        assert!((16_000..160_000).contains(&question().unwrap().len()));
    }
}
