use std::path::Path;
use std::time::{Duration, Instant};

use aether_audio::{RECOGNITION_HZ, Resampler, wav};
use aether_settings::SpeechSettings;
use aether_speech::onnx::Processor;
use aether_speech::stt::{Options, Priority, Request, Transcriber};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{taken_since, wrong};
use crate::Error;
use crate::bench::dialogue::transcripts;
use crate::bench::processes::resident;
use crate::bench::{Spread, ms, words::Errors};

/// Somebody speaks from its first second to its last.
const LONG: &str = "jfk.wav";
const CLIPS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
const ROUNDS: usize = 7;

#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) model: String,
    pub(super) threads: usize,
    /// The beginnings of one recording: 1, 3 and 10 s of it. Milliseconds.
    pub(super) clips: [Spread; 3],
    /// Over all recordings, the far and noisy ones included.
    pub(super) words: Errors,
    pub(super) memory_mb: f64,
}

pub(super) async fn measure(model: &str, weights: &Path, speech: &SpeechSettings, audio: &Path) -> Result<Row, Error> {
    let texts = transcripts(audio)?;
    let long = recording(audio, LONG)?;
    let before = resident(std::process::id()).unwrap_or_default();
    let defaults = Options::default();
    let threads = speech.whisper_threads.map_or(defaults.threads, |threads| threads as usize);
    let transcriber = {
        let weights = weights.to_owned();
        let options = Options { threads, processor: Processor::with_cuda(speech.cuda), ..defaults };
        let loading = tokio::task::spawn_blocking(move || Transcriber::load(&weights, options));
        loading.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?
    };
    let mut words = Errors::default();
    // These decodes warm it up, too.
    for (file, text) in &texts {
        let understood = transcribe(&transcriber, recording(audio, file)?).await?;
        words.add(Errors::between(text, &understood));
    }
    let mut clips = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (clip, took) in CLIPS.iter().zip(&mut clips) {
            let samples =
                long.iter().copied().take((clip.as_secs_f64() * f64::from(RECOGNITION_HZ)) as usize).collect();
            let began = Instant::now();
            transcribe(&transcriber, samples).await?;
            took.push(ms(began.elapsed()));
        }
    }
    let memory_mb = taken_since(before);
    Ok(Row { model: model.to_owned(), threads, clips: clips.map(Spread::of), words, memory_mb })
}

async fn transcribe(transcriber: &Transcriber, samples: Vec<f32>) -> Result<String, Error> {
    let request = Request { samples, priority: Priority::Final, lane: 0 };
    let transcript = transcriber.transcribe(request, CancellationToken::new()).await;
    transcript.map(|transcript| transcript.text).map_err(|error| wrong(&error))
}

fn recording(audio: &Path, file: &str) -> Result<Vec<f32>, Error> {
    let path = audio.join(file);
    let bytes = std::fs::read(&path).map_err(Error::io(format!("the recording {} can't be read", path.display())))?;
    let wav = wav::read(&bytes).map_err(|error| wrong(&error))?;
    Resampler::convert(&wav.samples, wav.sample_rate_hz, RECOGNITION_HZ).map_err(|error| wrong(&error))
}
