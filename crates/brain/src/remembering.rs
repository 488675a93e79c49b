//! Memory as a part of the process: its sentence model is loaded in the background, again and again until it can be.

use std::sync::Arc;
use std::time::Duration;

use aether_memory::{Embedder, EmbedderOptions, Memory, Question, RecallError, Recollection};
use aether_models::ModelStore;
use aether_store::Store;
use aether_telemetry::{PartHealth, with_causes};
use tokio::sync::watch;

use crate::options::Embedding;

const RETRY: Duration = Duration::from_secs(5);

/// The memory, once there is one. Cheap to clone.
#[derive(Clone)]
pub struct Remembering {
    memory: Arc<watch::Sender<Option<Memory>>>,
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
        Self { memory: Arc::new(watch::Sender::new(None)) }
    }
}

impl Remembering {
    /// The memory, unless its model is not loaded yet.
    pub fn get(&self) -> Option<Memory> {
        self.memory.borrow().clone()
    }

    pub async fn recall(&self, question: &Question<'_>) -> Result<Recollection, Unavailable> {
        let memory = self.get().ok_or(Unavailable::NotLoaded)?;
        Ok(memory.recall(question).await?)
    }

    /// Loads the sentence model. What is missing or broken is said on `/health`; once it is mended, the next attempt
    /// succeeds.
    pub async fn load(&self, embedding: &Embedding, store: &Store, health: &PartHealth) {
        loop {
            let attempt = embedding.clone();
            let problem = match tokio::task::spawn_blocking(move || load_once(&attempt)).await {
                Ok(Ok(embedder)) => {
                    let memory = Memory::new(aether_memory::Options::default(), store.clone(), embedder);
                    self.memory.send_replace(Some(memory));
                    health.up();
                    return;
                }
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
