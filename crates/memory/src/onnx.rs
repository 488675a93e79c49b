//! ONNX Runtime, loaded once per process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use ort::environment::Environment;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no ONNX Runtime at {}; run scripts/run once, it installs it", .0.display())]
    Missing(PathBuf),
    #[error("can't load ONNX Runtime from {}", path.display())]
    Library { path: PathBuf, source: ort::LoadDynamicError },
    #[error("ONNX Runtime was started elsewhere in this process; pass that environment on instead")]
    StartedElsewhere(#[source] ort::Error),
}

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The process's environment; the first call loads `library`, later ones return the same. A process can have only one, so
/// whoever uses ONNX Runtime beside this crate must share it.
pub fn environment(library: &Path) -> Result<Environment, Error> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    // The loader would look for a relative path beside the executable.
    let path = library.canonicalize().map_err(|_| Error::Missing(library.to_owned()))?;
    let started = ort::init_from(&path)
        .map_err(|source| Error::Library { path, source })?
        .with_name("aether")
        .with_telemetry(false)
        .build()
        .map_err(Error::StartedElsewhere)?;
    Ok(environment.insert(started).clone())
}
