//! The voice as a part of the process: loaded in the background, again and again until it can be.

use std::sync::Arc;

use aether_models::ModelStore;
use aether_speech::tts;
use aether_telemetry::{PartHealth, with_causes};

use crate::Options;

/// What is told how the voice and its phoneme process are.
pub(crate) struct VoiceHealth {
    pub(crate) voice: PartHealth,
    pub(crate) espeak: PartHealth,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Runtime(#[from] aether_onnx::Error),
    #[error(transparent)]
    Model(#[from] aether_models::Error),
    #[error(transparent)]
    Voice(#[from] tts::Error),
    #[error("loading was interrupted")]
    Interrupted,
}

/// Loads the voice. What is missing or broken is said on `/health`; once it is mended, the next attempt succeeds.
pub(crate) async fn load(options: &Arc<Options>, health: &VoiceHealth) -> tts::Voice {
    loop {
        let attempt = Arc::clone(options);
        let loaded = tokio::task::spawn_blocking(move || load_once(&attempt)).await;
        match loaded.unwrap_or(Err(LoadError::Interrupted)) {
            Ok(voice) => {
                health.espeak.up();
                health.voice.up();
                return voice;
            }
            Err(LoadError::Voice(tts::Error::Espeak(error))) => {
                health.espeak.down(with_causes(&error));
                health.voice.waiting("espeak-ng");
            }
            Err(error) => health.voice.down(with_causes(&error)),
        }
        tokio::time::sleep(options.retry).await;
    }
}

fn load_once(options: &Options) -> Result<tts::Voice, LoadError> {
    aether_onnx::init(&options.onnxruntime)?;
    let models = ModelStore::new(&options.models);
    let voice = &options.voice;
    Ok(tts::Voice::load(tts::Options {
        onnx: models.require(voice, &format!("{voice}.onnx"))?,
        config: models.require(voice, &format!("{voice}.onnx.json"))?,
        espeak: options.espeak.clone(),
        workers: options.workers,
        processor: options.processor,
    })?)
}
