use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CUDA};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::Error;

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// What a model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Processor {
    /// One core of the machine.
    #[default]
    Cpu,
    /// Its first NVIDIA card. What a card can't do is done by the machine.
    Cuda,
}

impl Processor {
    /// As the settings say it.
    pub fn with_cuda(on: bool) -> Self {
        if on { Self::Cuda } else { Self::Cpu }
    }
}

/// Loads the library. Calling it again is fine and changes nothing, whichever file is named then.
pub fn init(library: &Path) -> Result<(), Error> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if ENVIRONMENT.get().is_some() {
        return Ok(());
    }
    // A relative path would be looked up beside the executable.
    let path = library.canonicalize().map_err(|_| Error::Missing(library.to_owned()))?;
    let environment = ort::init_from(&path)
        .map_err(|source| Error::Load { path, source })?
        .with_name("aether")
        .with_telemetry(false)
        .build()
        .map_err(Error::Start)?;
    ENVIRONMENT.get_or_init(|| environment);
    Ok(())
}

/// Bytes of a model file, or an error that names it.
pub fn read_model(path: &Path) -> Result<Vec<u8>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NoModel(path.to_owned())),
        Err(error) => Err(Error::Model { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// A session on one thread that sleeps between runs: many sessions share a few cores, and a spinning one would take
/// a whole core to save microseconds. `path` is where the bytes came from, for the error.
pub fn session(model: &[u8], path: &Path, processor: Processor) -> Result<Session, Error> {
    let environment = ENVIRONMENT.get().ok_or(Error::NotLoaded)?;
    let build = || -> ort::Result<Session> {
        let builder = Session::builder(environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::All)?;
        match processor {
            Processor::Cpu => builder,
            Processor::Cuda => builder.with_execution_providers([cuda().build().error_on_failure()])?,
        }
        .commit_from_memory(model)
    };
    build().map_err(|error| {
        let (path, reason) = (path.to_owned(), error.to_string().trim().to_owned());
        match processor {
            Processor::Cpu => Error::Model { path, reason },
            Processor::Cuda => Error::Card { path, reason },
        }
    })
}

/// By default each new length of a sentence would be measured with every algorithm there is, and memory be taken in powers of
/// two.
fn cuda() -> CUDA {
    CUDA::default()
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
}
