use std::{io, path::PathBuf, time::Duration};

/// Why a part could not be started or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no state folder: run this inside the Aether repository or set AETHER_HOME to its `.aether` folder")]
    NoHome,
    #[error("`{program}` is not installed (looked in {looked_in} and on the PATH): run scripts/run, or {instead}")]
    Missing { program: String, looked_in: String, instead: String },
    #[error("{port} is taken by another program, and {wanted_by} needs it: stop that program, or {instead}")]
    PortTaken { port: String, wanted_by: String, instead: String },
    #[error("{name} could not be launched")]
    Launch { name: String, source: io::Error },
    #[error("{name} ended before it was ready ({how}); the end of {log}:\n{tail}", log = log.display())]
    Ended { name: String, how: String, log: PathBuf, tail: String },
    #[error("{name} was not ready within {}: {last}; see {}", seconds(*within), log.display())]
    NotReady { name: String, within: Duration, last: String, log: PathBuf },
    #[error("could not prepare {what}: {why}")]
    Prepare { what: String, why: String },
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}
