//! Forgets jobs that ended long ago, every night.

use std::sync::Arc;
use std::time::Duration;

use aether_job::Priority;
use aether_store::{Error, JobRow};
use aether_telemetry::with_causes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

/// Deleted in one transaction.
const MOST_AT_ONCE: u32 = 1000;

pub struct Retention;

impl Kind for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn check(&self, _payload: &Value) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let mut forgotten = 0;
            loop {
                match forget_some(kernel, job).await {
                    Ok(0) => return Outcome::Done(json!({ "forgotten": forgotten })),
                    Ok(some) => forgotten += some,
                    Err(error) => return Outcome::Failed(with_causes(&error)),
                }
            }
        }
        .boxed()
    }
}

async fn forget_some(kernel: &Kernel, job: &JobRow) -> Result<u64, Error> {
    let mut transaction = kernel.store.tenant(&job.tenant).await?;
    let forgotten = transaction.forget_ended_jobs(&job.agent, kernel.options.kept, MOST_AT_ONCE).await?;
    transaction.commit().await?;
    Ok(forgotten)
}
