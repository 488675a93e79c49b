//! One job in one worker's hands: what its kind does, and what is written down of it.

use std::sync::Arc;
use std::time::Duration;

use aether_job::{Attempt, Event, Failure, Job, Limits, Report, State};
use aether_proto::{Error, KernelEvent, subject};
use aether_store::{JobChange, JobRow};
use aether_telemetry::metric;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::clock::unix_ms;
use crate::kernel::Kernel;
use crate::kind::{self, Kind, Outcome};

/// Does a job that was claimed, and writes down what became of it. The place is free for another as soon as it is done.
pub(crate) async fn work(kernel: &Arc<Kernel>, job: JobRow, place: OwnedSemaphorePermit) {
    let stop = kernel.begins(job.job);
    if job.attempt == 1 {
        // Both by the database's clock.
        let delay = (job.updated_at - job.due_at).as_seconds_f64().max(0.0);
        metrics::histogram!(metric::JOB_START, "priority" => format!("P{}", job.priority)).record(delay);
    }
    let kind = kind::named(&job.kind);
    let outcome = match kind {
        Some(kind) => attempt(kernel, kind, &job, &stop).await,
        None => Some(Outcome::Impossible(format!("this version knows no job of the kind {:?}", job.kind))),
    };
    drop(place);
    let kind_name = kind.map_or("unknown", Kind::name);
    let outcome_name = outcome.as_ref().map_or("stopped", Outcome::name);
    metrics::counter!(metric::JOB_ATTEMPTS, "kind" => kind_name, "outcome" => outcome_name).increment(1);
    if matches!(outcome, Some(Outcome::Failed(_) | Outcome::Impossible(_))) {
        Span::current().record("otel.status_code", "ERROR");
    }
    if let Some(outcome) = outcome {
        let limits = kind.map_or(Limits::DEFAULT, Kind::limits);
        finish(kernel, &job, kind, outcome, &limits).await;
    } else {
        undo(kernel, &job).await;
    }
    kernel.ended(job.job);
}

/// `None`: it is not wanted any more.
async fn attempt(kernel: &Arc<Kernel>, kind: &dyn Kind, job: &JobRow, stop: &CancellationToken) -> Option<Outcome> {
    if job.is_expired {
        return Some(Outcome::Impossible("its deadline has passed".to_owned()));
    }
    let limit = kind.limit();
    let done = timeout(limit, kind.run(kernel, job));
    let outcome = stop.run_until_cancelled(done).await?;
    Some(outcome.unwrap_or_else(|_| Outcome::Failed(format!("it was not done within {limit:?}"))))
}

async fn finish(kernel: &Kernel, job: &JobRow, kind: Option<&'static dyn Kind>, outcome: Outcome, limits: &Limits) {
    let (reports, reason, result, due_in) = reports(kind, outcome);
    let events: Vec<_> = reports.iter().map(|report| reported(job, *report)).collect();
    let Some(mut change) = change(job, &events, limits) else { return };
    change.reason = reason;
    change.result = result;
    change.due_in = due_in.or(change.due_in);
    match write(kernel, job, change).await {
        Ok(true) => {}
        // Somebody cancelled it meanwhile, or it was given to another: only in the first case there is something to do.
        Ok(false) => undo(kernel, job).await,
        Err(error) => {
            tracing::error!(%error, kind = job.kind, "what became of a job could not be written")
        }
    }
}

type Written = (Vec<Report>, String, Option<Value>, Option<Duration>);

fn reports(kind: Option<&'static dyn Kind>, outcome: Outcome) -> Written {
    match outcome {
        Outcome::Done(result) => match kind.map_or(Ok(()), |kind| kind.verify(&result)) {
            Ok(()) => (vec![Report::Returned, Report::Verified], String::new(), Some(result), None),
            Err(reason) => (vec![Report::Returned, Report::Rejected(Failure::Passing)], reason, None, None),
        },
        Outcome::NotNow(pause) => (vec![Report::Postponed], String::new(), None, Some(pause)),
        Outcome::Failed(reason) => (vec![Report::Failed(Failure::Passing)], reason, None, None),
        Outcome::Impossible(reason) => (vec![Report::Failed(Failure::Final)], reason, None, None),
    }
}

/// A job that was cancelled under its worker's hands is rolled back by it. No kind so far leaves anything to undo.
async fn undo(kernel: &Kernel, job: &JobRow) {
    let cancelled = JobRow { state: State::Compensating.as_str().to_owned(), ..job.clone() };
    let Some(change) = change(&cancelled, &[reported(job, Report::Compensated)], &Limits::DEFAULT) else { return };
    if let Err(error) = write(kernel, &cancelled, change).await {
        tracing::warn!(%error, "a cancelled job could not be ended yet");
    }
}

/// What was taken ahead and is not begun waits for another worker.
pub(crate) async fn give_back(kernel: &Kernel, job: &JobRow) {
    let Some(change) = change(job, &[reported(job, Report::Postponed)], &Limits::DEFAULT) else { return };
    if let Err(error) = write(kernel, job, change).await {
        tracing::warn!(%error, "a job could not be given back; its lease ends by itself");
    }
}

/// What this report of the job's worker is to its machine.
pub(crate) fn reported(job: &JobRow, report: Report) -> Event {
    Event::Reported { attempt: Attempt(u32::try_from(job.attempt).unwrap_or_default()), report }
}

/// What these events make of the job; `None` if one of them means nothing to it.
pub(crate) fn change(row: &JobRow, events: &[Event], limits: &Limits) -> Option<JobChange> {
    let attempt = Attempt(u32::try_from(row.attempt).ok()?);
    let mut job = Job::restored(row.state.parse().ok()?, attempt, u32::try_from(row.failures).ok()?).ok()?;
    let mut states = Vec::new();
    for event in events {
        states.extend(job.next(*event, limits).ok()?);
    }
    if job.state() == State::Compensating && job.attempt() > attempt {
        // It is ours now, and nothing of it is to be undone.
        let report = Report::Compensated;
        states.extend(job.next(Event::Reported { attempt: job.attempt(), report }, limits).ok()?);
    }
    let is_retrying = job.state() == State::Retrying;
    Some(JobChange {
        job: row.job,
        from: row.state.clone(),
        from_attempt: row.attempt,
        states: states.into_iter().map(State::as_str).collect(),
        attempt: i32::try_from(job.attempt().0).ok()?,
        failures: i32::try_from(job.failures()).ok()?,
        due_in: is_retrying.then(|| limits.delay(job.failures(), rand::random())),
        forgets_deadline: events.contains(&Event::Replayed),
        reason: row.reason.clone(),
        result: None,
    })
}

/// Writes a change down and tells whoever listens; false if the job was another by then.
pub(crate) async fn write(kernel: &Kernel, job: &JobRow, change: JobChange) -> Result<bool, Error> {
    let (states, attempt, reason) = (change.states.clone(), change.attempt, change.reason.clone());
    let changed = kernel.clerk.change(job.tenant.clone(), change).await?;
    if changed {
        for state in states {
            tell(kernel, job, state, attempt, &reason).await;
        }
    }
    Ok(changed)
}

/// Tells what the job is now. An event is about now: where nobody can be told, nobody is.
pub(crate) async fn tell(kernel: &Kernel, job: &JobRow, state: &str, attempt: i32, reason: &str) {
    if !*kernel.bus.connected().borrow() {
        return;
    }
    let event = KernelEvent {
        job_id: job.job.to_string(),
        kind: job.kind.clone(),
        person_id: job.person.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: aether_proto::JobState::from_str_name(state).unwrap_or_default().into(),
        attempt: u32::try_from(attempt).unwrap_or_default(),
        reason: reason.to_owned(),
        at_unix_ms: unix_ms(OffsetDateTime::now_utc()),
    };
    let _ = kernel.bus.publish(&Kernel::context(job), &subject::job_events(job.job), &event).await;
}
