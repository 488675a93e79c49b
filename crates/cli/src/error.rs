use std::{io, sync::Arc};

/// Why a command failed. What a person is told is [`Error::told`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Settings(#[from] aether_settings::Error),
    #[error(transparent)]
    Part(#[from] aether_supervisor::Error),
    #[error(transparent)]
    Start(#[from] Arc<aether_supervisor::Error>),
    #[error("Aether already runs from this folder (process {pid}): stop it first, or look with `aether status`")]
    AlreadyUp { pid: u32 },
    #[error("Aether is not running from this folder: start it with `aether up`")]
    NotUp,
    #[error("the program {name} is missing beside this one: build everything with `cargo build`")]
    NoProgram { name: &'static str },
    #[error("the database could not be brought to the newest schema")]
    Migrate(#[from] aether_store::MigrateError),
    #[error(transparent)]
    Models(#[from] aether_models::Error),
    #[error(transparent)]
    Api(#[from] crate::api::Error),
    #[error("{0}")]
    Input(String),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    /// Said already, in full; only the exit code is missing.
    #[error("it did not go well")]
    Told,
}

impl Error {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The error with its causes, on one line each; nothing when a person was told already.
    pub fn told(&self) -> Option<String> {
        if matches!(self, Self::Told) {
            return None;
        }
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let more = error.to_string();
            // A transparent error repeats its cause's text.
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        Some(text)
    }
}
