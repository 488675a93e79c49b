use std::{fmt, io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no model `{id}`; `aether models list` shows those there are")]
    UnknownModel { id: String },
    #[error("model `{id}` has no file `{file}`")]
    UnknownFile { id: String, file: String },
    #[error("model `{id}` is not installed ({} is missing); run: aether models get {id}", .path.display())]
    Missing { id: String, path: PathBuf },
    #[error("model `{id}` is damaged ({} has {found} bytes); run: aether models get {id}", .path.display())]
    Damaged { id: String, path: PathBuf, found: u64 },
    #[error("no source of `{file}` of model `{id}` could be used:{}", Listed(.failures))]
    Unobtainable { id: String, file: String, failures: Vec<SourceFailure> },
    #[error("can't {action} {}; is there space, and may this user write there?", .path.display())]
    Storage { action: &'static str, path: PathBuf, source: io::Error },
    #[error("can't prepare downloads: {reason}")]
    Client { reason: String },
}

/// Why one source of a file was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFailure {
    pub source: String,
    pub reason: String,
}

struct Listed<'a>(&'a [SourceFailure]);

impl Error {
    pub(crate) fn storage(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Storage { action, path, source }
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|failure| write!(formatter, "\n  {}: {}", failure.source, failure.reason))
    }
}
