use std::path::PathBuf;
use std::time::Instant;

use aether_settings::{HomeSettings, SpeechSettings};
use aether_speech::onnx::{self, Processor};
use aether_speech::tts::{Chunk, Options, Voice};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{taken_since, wrong};
use crate::bench::{Spread, ms, processes::resident};
use crate::{Context, Error};

/// Of 3, 8 and 15 words: the last is the longest that an answer is cut into.
const SENTENCES: [&str; 3] = [
    "Of course, gladly.",
    "The train to Hamburg leaves at seven thirty.",
    "If you leave in ten minutes, you will be there before the shops close today.",
];
const ROUNDS: usize = 10;

#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) model: String,
    /// From the text to the first samples, of sentences of 3, 8 and 15 words. Milliseconds.
    pub(super) first_sound: [Spread; 3],
    /// Seconds of work for a second of speech, of the longest sentence.
    pub(super) real_time_factor: f64,
    pub(super) memory_mb: f64,
}

pub(super) async fn measure(context: &Context, model: &str, weights: PathBuf) -> Result<Row, Error> {
    let settings = context.settings(SpeechSettings::read)?;
    let espeak = match settings.espeak {
        named if context.variable("AETHER_ESPEAK").is_some() => named,
        _ => context.layout().program("espeak-ng", "set AETHER_ESPEAK to its path")?,
    };
    onnx::init(&context.settings(HomeSettings::read)?.onnxruntime()).map_err(|error| wrong(&error))?;
    let before = resident(std::process::id()).unwrap_or_default();
    let config = weights.with_extension("onnx.json");
    let options = Options { onnx: weights, config, espeak, workers: 1, processor: Processor::with_cuda(settings.cuda) };
    let loading = tokio::task::spawn_blocking(move || Voice::load(options));
    let voice = loading.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?;
    for sentence in SENTENCES {
        speak(&voice, sentence).await?;
    }
    let mut first_sound = [const { Vec::new() }; 3];
    let (mut worked, mut spoken) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        for (sentence, times) in SENTENCES.iter().zip(&mut first_sound) {
            let said = speak(&voice, sentence).await?;
            times.push(said.first_ms);
            (worked, spoken) = (worked + said.worked_s, spoken + said.spoken_s);
        }
    }
    let memory_mb = taken_since(before);
    let first_sound = first_sound.map(Spread::of);
    Ok(Row { model: model.to_owned(), first_sound, real_time_factor: worked / spoken, memory_mb })
}

struct Said {
    first_ms: f64,
    worked_s: f64,
    spoken_s: f64,
}

async fn speak(voice: &Voice, text: &str) -> Result<Said, Error> {
    let began = Instant::now();
    let mut chunks = voice.synthesize(text, 1.0, CancellationToken::new());
    let (mut first, mut samples) = (None, 0);
    while let Some(chunk) = chunks.recv().await {
        if let Chunk::Pcm(pcm) = chunk.map_err(|error| wrong(&error))? {
            first.get_or_insert_with(|| began.elapsed());
            samples += pcm.len();
        }
    }
    let first = first.ok_or_else(|| Error::Input("the voice said nothing".to_owned()))?;
    let spoken_s = samples as f64 / f64::from(voice.sample_rate_hz());
    Ok(Said { first_ms: ms(first), worked_s: began.elapsed().as_secs_f64(), spoken_s })
}
