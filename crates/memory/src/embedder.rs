//! MiniLM: texts in, vectors out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aether_onnx::{Processor, RunError, Session, Tensor, inputs};
use aether_store::{Embedding, EmbeddingError};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::Semaphore;

use crate::pooling::mean_pool;

/// Longest part of a text that counts, in tokens: what the model was made for.
const MAX_TOKENS: usize = 256;
/// Texts in one run of the model; more are cut into several runs, so that memory stays bounded.
const MAX_BATCH: usize = 16;
const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];
const OUTPUT: &str = "last_hidden_state";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Goes with every vector, as those of two models can't be compared.
    pub model_id: String,
    pub model: PathBuf,
    pub tokenizer: PathBuf,
    /// Runs of the model at the same time, each on one thread with a session of its own (about 25 MB).
    pub workers: usize,
    /// Calls that may wait for a worker; one more is refused.
    pub max_waiting: usize,
}

impl Options {
    /// all-MiniLM-L6-v2 from its two files, on one thread.
    pub fn mini_lm(model: impl Into<PathBuf>, tokenizer: impl Into<PathBuf>) -> Self {
        Self {
            model_id: "all-MiniLM-L6-v2".to_owned(),
            model: model.into(),
            tokenizer: tokenizer.into(),
            workers: 1,
            max_waiting: 64,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("can't read the tokenizer {}; run: aether models verify", path.display())]
    Tokenizer { path: PathBuf, source: tokenizers::Error },
    #[error(transparent)]
    Model(#[from] aether_onnx::Error),
    #[error("{} is no sentence model: it has no {missing}", path.display())]
    Shape { path: PathBuf, missing: &'static str },
}

#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// As many calls wait as may; ask again later.
    #[error("too many texts are waiting to be embedded")]
    Overloaded,
    #[error("can't cut the text into tokens")]
    Tokenize(#[source] tokenizers::Error),
    #[error("the embedding model failed")]
    Inference(#[source] RunError),
    #[error("the embedding model returned something else than one vector per text")]
    Output,
    #[error("the embedding model returned an unusable vector")]
    Vector(#[from] EmbeddingError),
    #[error("the embedding worker is gone")]
    Worker,
}

/// Cheap to clone; all clones share the workers.
#[derive(Clone)]
pub struct Embedder {
    shared: Arc<Shared>,
}

struct Shared {
    model_id: String,
    tokenizer: Tokenizer,
    /// As many as `workers` has permits; one is taken out while it runs, because a run needs it exclusively.
    sessions: Mutex<Vec<Session>>,
    workers: Arc<Semaphore>,
    /// Running and waiting calls together.
    admission: Arc<Semaphore>,
}

impl Embedder {
    /// Reads the files and prepares the model: some 100 ms, and blocking. ONNX Runtime must be loaded.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let tokenizer = load_tokenizer(options)
            .map_err(|source| LoadError::Tokenizer { path: options.tokenizer.clone(), source })?;
        let model = aether_onnx::read_model(&options.model)?;
        let workers = options.workers.max(1);
        let mut sessions = Vec::with_capacity(workers);
        for _ in 0..workers {
            let session = aether_onnx::session(&model, &options.model, Processor::Cpu)?;
            let has_input = |name: &str| session.inputs().iter().any(|input| input.name() == name);
            let has_output = |name: &str| session.outputs().iter().any(|output| output.name() == name);
            let missing_input = INPUTS.into_iter().find(|name| !has_input(name));
            if let Some(missing) = missing_input.or_else(|| (!has_output(OUTPUT)).then_some(OUTPUT)) {
                return Err(LoadError::Shape { path: options.model.clone(), missing });
            }
            sessions.push(session);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                model_id: options.model_id.clone(),
                tokenizer,
                sessions: Mutex::new(sessions),
                workers: Arc::new(Semaphore::new(workers)),
                admission: Arc::new(Semaphore::new(workers + options.max_waiting)),
            }),
        })
    }

    pub fn model_id(&self) -> &str {
        &self.shared.model_id
    }

    /// One vector per text, in their order. Dropping the future leaves the queue; a run that has begun ends by itself.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Embedding>, EmbedError> {
        let admission = Arc::clone(&self.shared.admission).try_acquire_owned().map_err(|_| EmbedError::Overloaded)?;
        let worker = Arc::clone(&self.shared.workers).acquire_owned().await.map_err(|_| EmbedError::Worker)?;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            // Held to the end of the run, even if nobody waits for it any more: there are only so many sessions.
            let _permits = (admission, worker);
            shared.run(&texts)
        })
        .await
        .map_err(|_| EmbedError::Worker)?
    }

    pub async fn embed_one(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.embed(vec![text.to_owned()]).await?.pop().ok_or(EmbedError::Output)
    }
}

impl Shared {
    fn run(&self, texts: &[String]) -> Result<Vec<Embedding>, EmbedError> {
        let mut session = self.sessions().pop().ok_or(EmbedError::Worker)?;
        let batches: Result<Vec<_>, _> =
            texts.chunks(MAX_BATCH).map(|batch| self.run_batch(&mut session, batch)).collect();
        self.sessions().push(session);
        Ok(batches?.into_iter().flatten().collect())
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_batch(&self, session: &mut Session, texts: &[String]) -> Result<Vec<Embedding>, EmbedError> {
        let encodings = texts
            .iter()
            .map(|text| self.tokenizer.encode(text.as_str(), true))
            .collect::<Result<Vec<_>, _>>()
            .map_err(EmbedError::Tokenize)?;
        let tokens = encodings.iter().map(|encoding| encoding.len()).max().unwrap_or(0);
        let mut ids = vec![0_i64; texts.len() * tokens];
        let mut mask = vec![0_i64; texts.len() * tokens];
        for (row, encoding) in encodings.iter().enumerate() {
            for (column, id) in encoding.get_ids().iter().enumerate() {
                ids[row * tokens + column] = i64::from(*id);
                mask[row * tokens + column] = 1;
            }
        }
        let shape = [texts.len(), tokens];
        let types = vec![0_i64; texts.len() * tokens];
        let tensor = |values: Vec<i64>| Tensor::from_array((shape, values)).map_err(EmbedError::Inference);
        let outputs = session
            .run(inputs![INPUTS[0] => tensor(ids)?, INPUTS[1] => tensor(mask.clone())?, INPUTS[2] => tensor(types)?])
            .map_err(EmbedError::Inference)?;
        let (_, hidden) = outputs
            .get(OUTPUT)
            .ok_or(EmbedError::Output)?
            .try_extract_tensor::<f32>()
            .map_err(EmbedError::Inference)?;
        if hidden.len() != texts.len() * tokens * Embedding::DIMENSIONS {
            return Err(EmbedError::Output);
        }
        mean_pool(hidden, &mask, tokens, Embedding::DIMENSIONS)
            .into_iter()
            .map(|mean| Embedding::new(mean).map_err(EmbedError::Vector))
            .collect()
    }
}

/// Without the padding to a fixed length that the file asks for: a batch is padded to its own longest text.
fn load_tokenizer(options: &Options) -> Result<Tokenizer, tokenizers::Error> {
    let mut tokenizer = Tokenizer::from_file(&options.tokenizer)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(Some(TruncationParams { max_length: MAX_TOKENS, ..Default::default() }))?;
    Ok(tokenizer)
}
