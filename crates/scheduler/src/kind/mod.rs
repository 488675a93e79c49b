//! What a job can be. One kind, one file: its payload, its limits and what it does.

mod completion;
mod embedding_backfill;
mod fact_extraction;
mod missed_turns;
pub(crate) mod nightly;
mod nothing;
mod notification;
mod reminder;
mod retention;
mod session_summary;

use std::sync::Arc;
use std::time::Duration;

use aether_job::{Limits, Priority};
use aether_store::JobRow;
use aether_telemetry::metric;
use futures::future::BoxFuture;
use serde_json::Value;

use self::notification::Notification;
use crate::kernel::Kernel;

/// All there are.
const ALL: [&dyn Kind; 10] = [
    &reminder::Reminder,
    &Notification::Decision,
    &Notification::Delivery,
    &Notification::Digest,
    &fact_extraction::FactExtraction,
    &missed_turns::MissedTurns,
    &session_summary::SessionSummary,
    &embedding_backfill::EmbeddingBackfill,
    &retention::Retention,
    &nothing::Nothing,
];

/// Who waits for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// A person does.
    Interactive,
    Background,
}

impl Pool {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Background => "background",
        }
    }
}

pub(crate) trait Kind: Send + Sync {
    /// As in `KernelRequest.kind`.
    fn name(&self) -> &'static str;

    fn pool(&self) -> Pool;

    /// Where the request names none.
    fn priority(&self) -> Priority;

    /// How often it is tried.
    fn limits(&self) -> Limits {
        Limits::DEFAULT
    }

    /// How long one attempt may take.
    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// It is about a person: a request without one is refused.
    fn needs_person(&self) -> bool {
        false
    }

    /// Its person is told when it is given up.
    fn is_missed(&self) -> bool {
        true
    }

    /// Whether the payload is what this kind needs; the error is for whoever submits it.
    fn check(&self, payload: &Value) -> Result<(), String>;

    /// May be called more than once for one job, by processes that died in between: what must not be done twice is done under
    /// the job's id.
    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome>;

    /// Whether it was done as it should be; the error says what is missing.
    fn verify(&self, _result: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Done(Value),
    /// Its time has not come; again after so long. Not a failure.
    NotNow(Duration),
    /// Perhaps it works another time.
    Failed(String),
    /// It never will.
    Impossible(String),
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::NotNow(_) => "not_now",
            Self::Failed(_) => "failed",
            Self::Impossible(_) => "impossible",
        }
    }
}

pub(crate) fn named(name: &str) -> Option<&'static dyn Kind> {
    ALL.into_iter().find(|kind| kind.name() == name)
}

pub(crate) fn names() -> String {
    ALL.map(Kind::name).join(", ")
}

/// What comes of attempts is counted from zero.
pub(crate) fn begin_counting() {
    let outcomes = ["done", "not_now", "failed", "impossible", "stopped"];
    metric::from_zero(metric::JOB_ATTEMPTS, &[("kind", &ALL.map(Kind::name)), ("outcome", &outcomes)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.into_iter().all(|name| named(name).unwrap().name() == name));
        assert!(named("").is_none());
    }
}
