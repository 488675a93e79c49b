//! The worker, as its user sees it.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::job::JobHandler;
use super::running::Running;
use crate::ApiKey;
use crate::server_url::with_scheme;

#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The same address as rooms are joined at.
    pub url: String,
    pub key: ApiKey,
    /// Empty takes automatic jobs; a name takes only jobs that are for it.
    pub agent_name: String,
    pub version: String,
    /// How many jobs run at once.
    pub max_sessions: u32,
    /// How long jobs may go on after shutdown was asked for.
    pub drain_timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the LiveKit address {url:?} is not a ws, wss, http or https URL")]
    Url { url: String },
}

/// What the worker is doing, for whoever reports health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerState {
    /// Not registered, and why.
    Connecting {
        reason: String,
    },
    Registered {
        worker_id: String,
    },
    /// Takes no more jobs and waits for those that run.
    Draining,
    Stopped,
}

/// Takes jobs from a LiveKit server.
#[derive(Debug)]
pub struct Worker {
    pub(super) options: WorkerOptions,
    pub(super) endpoint: String,
    pub(super) state: watch::Sender<WorkerState>,
}

impl Worker {
    /// # Errors
    /// When the address is not a URL.
    pub fn new(options: WorkerOptions) -> Result<Self, Error> {
        let server = with_scheme(&options.url, "ws", "wss").ok_or_else(|| Error::Url { url: options.url.clone() })?;
        let endpoint = format!("{server}/agent");
        let (state, _) = watch::channel(WorkerState::Connecting { reason: "not started".to_owned() });
        Ok(Self { options, endpoint, state })
    }

    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.state.subscribe()
    }

    /// Registers and takes jobs until `shutdown`, then waits for those that run. Connects again for ever.
    pub async fn run(self, handler: impl JobHandler, shutdown: CancellationToken) {
        // The socket picks up the process's cryptography provider; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Running::new(self, handler, shutdown).serve().await;
    }
}
