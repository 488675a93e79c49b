//! How the brain thinks: what it may hold at once, and how much it shows the model.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::Settings;
use crate::prompt::PERSONA;

/// Which sentence model finds memories, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    pub model_id: String,
    /// The folder of all models, one folder per id.
    pub models: PathBuf,
    /// ONNX Runtime's library.
    pub onnxruntime: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Turns at once; the next one is told `overloaded`.
    pub max_calls: usize,
    /// The first message of every prompt.
    pub persona: String,
    /// Tokens that prompt and answer may take together.
    pub context_tokens: u32,
    pub max_output_tokens: NonZeroU32,
    pub temperature: f32,
    /// Between two readings-ahead of one turn's words.
    pub prefill_pause: Duration,
    /// How long a prompt waits for the conversation's history. A person waits meanwhile.
    pub history_deadline: Duration,
    /// How long a turn that was opened may go without news from its caller.
    pub open_limit: Duration,
    /// How long running turns may take after the wish to stop.
    pub drain: Duration,
    pub embedding: Embedding,
}

impl Options {
    pub fn new(embedding: Embedding) -> Self {
        Self {
            max_calls: 16,
            persona: PERSONA.to_owned(),
            context_tokens: 4096,
            max_output_tokens: NonZeroU32::new(256).unwrap_or(NonZeroU32::MIN),
            temperature: 0.4,
            prefill_pause: Duration::from_millis(200),
            history_deadline: Duration::from_millis(400),
            open_limit: Duration::from_secs(120),
            drain: Duration::from_secs(10),
            embedding,
        }
    }
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        let embedding = Embedding {
            model_id: settings.brain.embedding_model.clone(),
            models: settings.home.models(),
            onnxruntime: settings.home.onnxruntime(),
        };
        let defaults = Self::new(embedding);
        Self {
            max_calls: settings.brain.max_calls as usize,
            context_tokens: settings.llm.context_tokens,
            max_output_tokens: NonZeroU32::new(settings.llm.max_output_tokens).unwrap_or(defaults.max_output_tokens),
            temperature: settings.llm.temperature,
            ..defaults
        }
    }
}
