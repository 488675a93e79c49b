//! What can go wrong between us and the library.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the livekit library {}: {source}; `./scripts/run` installs it", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "the livekit library {} is not the one this build was made for (sha256 {found}, expected {expected}); \
         delete it and let `./scripts/run` install the right one",
        path.display()
    )]
    WrongHash { path: PathBuf, expected: &'static str, found: String },
    #[error("cannot load the livekit library {}: {reason}", path.display())]
    Unloadable { path: PathBuf, reason: String },
    #[error("the livekit library is not loaded; call `ffi::init` first")]
    NotInitialized,
    #[error("the livekit library refused to {operation}: the handle it needs is gone")]
    Refused { operation: &'static str },
    #[error("the livekit library answered {operation} with something else")]
    Unexpected { operation: &'static str },
    #[error("the livekit library sent a message that cannot be read: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error("the livekit library never answered {operation}")]
    Unanswered { operation: &'static str },
    #[error("the livekit library has panicked; restart this process")]
    Panicked,
}
