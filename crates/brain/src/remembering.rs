//! Memory as a part of the process: its sentence model is loaded in the background, again and again until it can be.

use std::sync::Arc;
use std::time::Duration;

use aether_memory::{Embedder, EmbedderOptions, Memory, RecallError};
use aether_models::ModelStore;
use aether_store::Store;
use aether_telemetry::{PartHealth, with_causes};
use tokio::sync::watch;

use crate::options::Embedding;
use crate::tool::choice::Phrases;

const RETRY: Duration = Duration::from_secs(5);

/// The memory, once there is one. Cheap to clone.
#[derive(Clone)]
pub struct Remembering {
    loaded: Arc<watch::Sender<Option<Loaded>>>,
}

/// What there is once the sentence model is.
#[derive(Clone)]
pub struct Loaded {
    pub memory: Memory,
    /// Which of the agent's tools words ask for.
    pub phrases: Arc<Phrases>,
}

/// Nothing can be recalled right now.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("the sentence model is not loaded yet")]
    NotLoaded,
    #[error(transparent)]
    Recall(#[from] RecallError),
}

impl Default for Remembering {
    fn default() -> Self {
        Self { loaded: Arc::new(watch::Sender::new(None)) }
    }
}

impl Remembering {
    /// The memory, unless its model is not loaded yet.
    pub fn get(&self) -> Option<Memory> {
        self.loaded().ok().map(|loaded| loaded.memory)
    }

    pub fn loaded(&self) -> Result<Loaded, Unavailable> {
        self.loaded.borrow().clone().ok_or(Unavailable::NotLoaded)
    }

    /// Loads the sentence model. What is missing or broken is said on `/health`; once it is mended, the next attempt
    /// succeeds.
    pub async fn load(&self, embedding: &Embedding, store: &Store, health: &PartHealth) {
        loop {
            let attempt = embedding.clone();
            let problem = match tokio::task::spawn_blocking(move || load_once(&attempt)).await {
                Ok(Ok(embedder)) => match Phrases::embed(&embedder).await {
                    Ok(phrases) => {
                        let memory = Memory::new(aether_memory::Options::default(), store.clone(), embedder);
                        self.loaded.send_replace(Some(Loaded { memory, phrases: Arc::new(phrases) }));
                        health.up();
                        return;
                    }
                    Err(error) => with_causes(&error),
                },
                Ok(Err(error)) => with_causes(&*error),
                Err(_) => "loading the sentence model was interrupted".to_owned(),
            };
            health.down(problem);
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn load_once(embedding: &Embedding) -> Result<Embedder, Box<dyn std::error::Error + Send + Sync>> {
    aether_onnx::init(&embedding.onnxruntime)?;
    let models = ModelStore::new(&embedding.models);
    let model = models.require(&embedding.model_id, "model.onnx")?;
    let tokenizer = models.require(&embedding.model_id, "tokenizer.json")?;
    let options =
        EmbedderOptions { model_id: embedding.model_id.clone(), ..EmbedderOptions::mini_lm(model, tokenizer) };
    Ok(Embedder::load(&options)?)
}
