use std::path::PathBuf;
use std::time::Duration;

use aether_onnx::Processor;

use crate::Settings;

/// How the service works, apart from the parts it is given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Id of the voice; also the name that callers know it by.
    pub voice: String,
    /// Folder of the models.
    pub models: PathBuf,
    /// The shared library of ONNX Runtime.
    pub onnxruntime: PathBuf,
    pub espeak: PathBuf,
    /// Syntheses that compute at the same time; more wait for their turn.
    pub workers: usize,
    pub processor: Processor,
    /// Syntheses that are accepted at the same time, both doors together.
    pub max_calls: usize,
    /// Between two attempts to load a voice that can't be loaded.
    pub retry: Duration,
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        Self {
            voice: settings.speech.piper_model.clone(),
            models: settings.home.models(),
            onnxruntime: settings.home.onnxruntime(),
            espeak: settings.speech.espeak.clone(),
            workers: settings.speech.piper_workers as usize,
            processor: Processor::with_cuda(settings.speech.cuda),
            max_calls: settings.tts.max_calls as usize,
            retry: Duration::from_secs(5),
        }
    }
}
