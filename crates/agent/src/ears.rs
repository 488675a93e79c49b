//! Loads what listens, until it is there.

use std::path::PathBuf;

use aether_models::ModelStore;
use aether_speech::onnx::{self, Processor};
use aether_speech::{end_of_turn, stt, vad};
use aether_telemetry::{PartHealth, with_causes};
use aether_voice::lane::Ears;

use crate::options::EarsOptions;

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Library(#[from] aether_livekit::ffi::Error),
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    #[error(transparent)]
    Model(#[from] aether_models::Error),
    #[error(transparent)]
    VoiceActivity(#[from] vad::Error),
    #[error(transparent)]
    EndOfTurn(#[from] end_of_turn::Error),
    #[error(transparent)]
    Transcriber(#[from] stt::Error),
    #[error("loading was interrupted")]
    Interrupted,
}

/// What is missing or broken is said on `/health`; once it is mended, the next attempt succeeds.
pub(crate) async fn ready(
    given: Option<Ears>,
    options: &EarsOptions,
    health: &PartHealth,
    end_of_turn: &PartHealth,
) -> Ears {
    if let Some(ears) = given {
        health.up();
        return ears;
    }
    loop {
        let attempt = options.clone();
        let loaded = tokio::task::spawn_blocking(move || load_once(&attempt)).await;
        match loaded.unwrap_or(Err(LoadError::Interrupted)) {
            Ok((ears, missing)) => {
                health.up();
                match missing {
                    None => end_of_turn.up(),
                    Some(reason) => end_of_turn.degraded(format_args!("silence is judged by its length: {reason}")),
                }
                return ears;
            }
            Err(error) => health.down(with_causes(&error)),
        }
        tokio::time::sleep(options.retry).await;
    }
}

/// With the reason why there is no end-of-turn model, where there is none: without it turns end by a debounce.
fn load_once(options: &EarsOptions) -> Result<(Ears, Option<String>), LoadError> {
    aether_livekit::ffi::init(&options.livekit_ffi)?;
    onnx::init(&options.onnxruntime)?;
    let models = ModelStore::new(&options.models);
    let defaults = stt::Options::default();
    let transcription = stt::Options {
        threads: options.whisper_threads.unwrap_or(defaults.threads),
        states: options.whisper_states,
        processor: options.processor,
        ..defaults
    };
    let (end_of_turn, missing) = match &options.end_of_turn_model {
        None => (None, Some("END_OF_TURN_MODEL is none".to_owned())),
        Some(id) => match end_of_turn(&models, id, options.processor) {
            Ok(model) => (Some(model), None),
            Err(error) => (None, Some(with_causes(&error))),
        },
    };
    let ears = Ears {
        voice_activity: vad::Model::load(&weights(&models, "silero-vad")?)?,
        transcriber: stt::Transcriber::load(&weights(&models, &options.whisper_model)?, transcription)?,
        end_of_turn,
    };
    Ok((ears, missing))
}

fn end_of_turn(models: &ModelStore, id: &str, processor: Processor) -> Result<end_of_turn::Model, LoadError> {
    Ok(end_of_turn::Model::load(&weights(models, id)?, processor)?)
}

/// The file that a model is loaded from: the first of its manifest entry.
fn weights(models: &ModelStore, id: &str) -> Result<PathBuf, aether_models::Error> {
    let files = models.require_all(id)?;
    files.into_iter().next().ok_or_else(|| aether_models::Error::UnknownModel { id: id.to_owned() })
}
