use std::path::PathBuf;

/// Why there is no runtime, or no session of it. What goes wrong in a run is a [`RunError`](crate::RunError).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no ONNX Runtime library at {}; `aether up` puts it there, or name another file", .0.display())]
    Missing(PathBuf),
    #[error("the ONNX Runtime library {} can't be used", path.display())]
    Load { path: PathBuf, source: ort::LoadDynamicError },
    #[error("ONNX Runtime did not start")]
    Start(#[source] ort::Error),
    #[error("ONNX Runtime is not loaded; call `aether_onnx::init` first")]
    NotLoaded,
    #[error("no model at {}; get it with `aether models get`", .0.display())]
    NoModel(PathBuf),
    #[error("the model {} can't be used: {reason}; `aether models verify` says whether it is whole", path.display())]
    Model { path: PathBuf, reason: String },
    #[error(
        "the model {} does not run on an NVIDIA card: {reason}; `nvidia-smi` says whether there is one with memory left, \
        and AETHER_CUDA=off takes the processor",
        path.display()
    )]
    Card { path: PathBuf, reason: String },
}
