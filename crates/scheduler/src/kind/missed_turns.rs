//! Has facts looked for in turns that nobody was asked to look at, because the scheduler was away when they ended.

use std::sync::Arc;

use aether_job::Priority;
use aether_store::{Error, FinishedTurn, JobRow, NewJob};
use aether_telemetry::with_causes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::fact_extraction::{self, FactExtraction};
use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;
use crate::submission;

/// In one night; what is left over is found in the next.
const MOST: u32 = 1000;

pub struct MissedTurns;

impl Kind for MissedTurns {
    fn name(&self) -> &'static str {
        "missed_turns"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    fn check(&self, _payload: &Value) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            match submit(kernel, job).await {
                Ok(found) => {
                    kernel.wake_all(&Kernel::context(job));
                    Outcome::Done(json!({ "found": found }))
                }
                Err(error) => Outcome::Failed(with_causes(&error)),
            }
        }
        .boxed()
    }
}

async fn submit(kernel: &Kernel, job: &JobRow) -> Result<usize, Error> {
    let mut transaction = kernel.store.tenant(&job.tenant).await?;
    let turns = transaction.missed_turns(&job.agent, MOST).await?;
    let jobs: Vec<_> = turns.into_iter().map(|turn| extraction(job, turn)).collect();
    transaction.insert_jobs(&jobs).await?;
    transaction.commit().await?;
    Ok(jobs.len())
}

fn extraction(job: &JobRow, finished: FinishedTurn) -> NewJob {
    NewJob {
        job: aether_proto::JobId::generate(),
        agent: job.agent.clone(),
        kind: FactExtraction.name().to_owned(),
        modality: "text",
        person: Some(finished.person),
        session: Some(finished.session),
        payload: fact_extraction::payload(finished.turn),
        priority: FactExtraction.priority().number().into(),
        pool: FactExtraction.pool().as_str(),
        idempotency_key: finished.turn.to_string(),
        schedule: None,
        due_at: None,
        patience: FactExtraction.priority().patience(),
        expires_at: None,
        states: submission::admitted(),
        traceparent: aether_telemetry::traceparent(),
    }
}
