//! How the brain thinks: what it may hold at once, and how much it shows the model.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use aether_settings::OfferTools;

use crate::Settings;
use crate::prompt::{PERSONA, WRITING_PERSONA};

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
    /// The first message of every prompt, where the answer is spoken.
    pub persona: String,
    /// Where it is read.
    pub writing_persona: String,
    /// Answers where images are shown.
    pub vision_model: Option<String>,
    pub tools: OfferTools,
    /// How often in one turn the model may ask for tools.
    pub tool_rounds: u32,
    /// How long one tool may run.
    pub tool_deadline: Duration,
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
    /// After a turn, before facts are looked for in it: the conversation goes on meanwhile, and needs the language model.
    pub learn_after: Duration,
    /// After a turn, before the session is summarised, unless another turn has followed by then.
    pub summarise_after: Duration,
    /// After somebody was answered, before work that has time uses the language model: the cores it runs on may be needed to listen
    /// to what they say next.
    pub background_rest: Duration,
    /// How long running turns may take after the wish to stop.
    pub drain: Duration,
    pub embedding: Embedding,
}

impl Options {
    pub fn new(embedding: Embedding) -> Self {
        Self {
            max_calls: 16,
            persona: PERSONA.to_owned(),
            writing_persona: WRITING_PERSONA.to_owned(),
            vision_model: None,
            tools: OfferTools::Relevant,
            tool_rounds: 3,
            tool_deadline: Duration::from_secs(5),
            context_tokens: 4096,
            max_output_tokens: NonZeroU32::new(256).unwrap_or(NonZeroU32::MIN),
            temperature: 0.4,
            prefill_pause: Duration::from_millis(200),
            history_deadline: Duration::from_millis(400),
            open_limit: Duration::from_secs(120),
            learn_after: Duration::from_secs(120),
            summarise_after: Duration::from_secs(600),
            background_rest: Duration::from_secs(10),
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
            vision_model: settings.llm.vision_model.clone(),
            tools: settings.brain.tools,
            tool_rounds: settings.brain.tool_rounds,
            tool_deadline: settings.brain.tool_timeout,
            ..defaults
        }
    }
}
