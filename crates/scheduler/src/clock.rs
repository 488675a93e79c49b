//! What time brings: leases that must be renewed, workers that are gone, next tries, deadlines, and the runs of schedules.

use std::convert::Infallible;
use std::time::Duration;

use aether_job::{Event, Limits, Missed, Priority, Report, State};
use aether_proto::{JobId, PluginEvent, Urgency};
use aether_store::{Error, JobQueue, JobRow, NewJob, ScheduleRow};
use aether_telemetry::{PartHealth, metric, with_causes};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;

use crate::kernel::Kernel;
use crate::kind::{self, Kind};
use crate::recurrence::Recurring;
use crate::{submission, worker};

/// Jobs, or schedules, that are seen to in one look.
const MOST: u32 = 500;
/// Runs of one schedule that are looked through for the last one that was missed.
const MISSED: usize = 10_000;
/// A run that begins so much later than planned was not missed.
const GRACE: Duration = Duration::from_secs(60);
/// Between two looks at how much there is to do.
const COUNT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(4);
/// What somebody waits for and has been due for so long is late.
const LATE: Duration = Duration::from_secs(60);

/// Keeps this process's jobs its own.
pub(crate) async fn renew(kernel: &Kernel) -> Infallible {
    let (lease, pause) = (kernel.options.lease, kernel.options.lease / 4);
    loop {
        sleep(pause).await;
        if kernel.running() > 0
            && let Err(error) = kernel.store.renew_jobs(&kernel.worker, lease).await
        {
            tracing::warn!(error = with_causes(&error), "jobs that are being done could not be kept");
        }
    }
}

/// Looks for what is overdue, and tells `health` whether the database answers.
pub(crate) async fn look(kernel: &Kernel, health: &PartHealth) -> Infallible {
    // While the database was away nobody could renew a lease: whoever is alive gets the time to do it now.
    let mut lost_from = Instant::now();
    loop {
        let looked = timeout(ANSWER, async {
            let mut jobs = kernel.store.overdue_jobs(MOST).await?;
            if Instant::now() < lost_from {
                jobs.retain(|job| job.state.parse().is_ok_and(|state: State| !state.is_held()));
            }
            let schedules = kernel.store.due_schedules(MOST).await?;
            Ok::<_, Error>((jobs, schedules))
        });
        match looked.await {
            Ok(Ok((jobs, schedules))) => {
                health.up();
                let is_more = jobs.len() + schedules.len() >= MOST as usize;
                for job in jobs {
                    see_to(kernel, &job).instrument(Kernel::span(&job)).await;
                }
                for schedule in schedules {
                    if let Err(error) = run_schedule(kernel, &schedule).await {
                        tracing::warn!(error = with_causes(&error), tenant = %schedule.tenant, schedule = %schedule.schedule, "a planned run was not begun yet");
                    }
                }
                if is_more {
                    continue;
                }
            }
            Ok(Err(error)) => {
                health.down(with_causes(&error));
                lost_from = Instant::now() + kernel.options.lease;
            }
            Err(_) => {
                health.down("postgres does not answer; check that it runs and that POSTGRES_URL is right");
                lost_from = Instant::now() + kernel.options.lease;
            }
        }
        sleep(kernel.options.look).await;
    }
}

async fn see_to(kernel: &Kernel, job: &JobRow) {
    let (event, reason) = match job.state.parse() {
        Ok(State::Executing | State::Verifying) => (worker::reported(job, Report::Lost), "its worker is gone"),
        Ok(State::Compensating) => (worker::reported(job, Report::Lost), ""),
        Ok(State::Retrying) => (Event::RetryDue, ""),
        Ok(State::Scheduled) => (Event::Expired, "its deadline has passed"),
        Ok(State::Escalated) => (Event::Told, ""),
        _ => return,
    };
    let is_escalated = event == Event::Told;
    let limits = kind::named(&job.kind).map_or(Limits::DEFAULT, Kind::limits);
    let Some(mut change) = worker::change(job, &[event], &limits) else { return };
    if !reason.is_empty() {
        change.reason = reason.to_owned();
    }
    if is_escalated {
        tracing::error!(
            kind = job.kind,
            reason = job.reason,
            "a job was given up; `aether task` can replay or cancel it"
        );
        if let Err(error) = tell_of_failure(kernel, job).await {
            tracing::warn!(%error, "nobody was told yet that a job was given up");
            return;
        }
    }
    match worker::write(kernel, job, change).await {
        Ok(_) => kernel.bell.notify_waiters(),
        Err(error) => tracing::warn!(%error, "what became of a job could not be written"),
    }
}

/// It can wait: what failed so often does not become urgent by that.
async fn tell_of_failure(kernel: &Kernel, job: &JobRow) -> Result<(), aether_bus::Error> {
    let Some(person) = &job.person else { return Ok(()) };
    if !kind::named(&job.kind).is_none_or(Kind::is_missed) {
        return Ok(());
    }
    let event = PluginEvent {
        event_id: format!("{}:{}", job.job, job.attempt),
        source: "job".to_owned(),
        kind: format!("{}.given_up", job.kind),
        person_id: person.to_string(),
        title: format!("A task was given up: {}", job.kind.replace('_', " ")),
        text: job.reason.clone(),
        urgency: Urgency::Low.into(),
        ..PluginEvent::default()
    };
    kernel.have_told(job, &event).await
}

/// Makes a job of the run that is due, and plans the next: both or neither, and once however many look.
async fn run_schedule(kernel: &Kernel, schedule: &ScheduleRow) -> Result<(), Error> {
    let Some(first) = schedule.next_at else { return Ok(()) };
    let recurring = Recurring::read(&schedule.cron, &schedule.time_zone);
    let planned = std::iter::successors(Some(first), |at| recurring.as_ref().ok()?.next(*at));
    let missed: Missed = schedule.missed.parse().unwrap_or_default();
    let run = missed.due(planned.map(unix_ms).take(MISSED), unix_ms(schedule.now), GRACE);
    let next = run.next_unix_ms.and_then(from_unix_ms);
    let mut transaction = kernel.store.tenant(&schedule.tenant).await?;
    if !transaction.advance_schedule(schedule.schedule, first, next).await? {
        return Ok(());
    }
    if let (Some(at), Some(kind)) = (run.run_unix_ms, kind::named(&schedule.kind)) {
        let priority = u8::try_from(schedule.priority).ok().and_then(Priority::from_number).unwrap_or(kind.priority());
        let job = NewJob {
            job: JobId::generate(),
            agent: schedule.agent.clone(),
            kind: schedule.kind.clone(),
            modality: if schedule.modality == "voice" { "voice" } else { "text" },
            person: schedule.person.clone(),
            session: schedule.session,
            payload: schedule.payload.clone(),
            priority: priority.number().into(),
            pool: kind.pool().as_str(),
            idempotency_key: format!("{}@{at}", schedule.schedule),
            schedule: Some(schedule.schedule),
            due_at: from_unix_ms(at),
            patience: priority.patience(),
            expires_at: None,
            states: submission::admitted(),
            traceparent: None,
        };
        transaction.insert_jobs(&[job]).await?;
    }
    transaction.commit().await?;
    kernel.bell.notify_waiters();
    Ok(())
}

pub(crate) fn unix_ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

pub(crate) fn from_unix_ms(unix_ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()
}

/// Shows how much there is to do and how long it has waited, on `/health` and `/metrics`.
pub(crate) async fn count(kernel: &Kernel, health: &PartHealth) -> Infallible {
    loop {
        metrics::gauge!(metric::JOBS_RUNNING).set(kernel.running() as f64);
        match kernel.store.job_queues().await {
            Ok(queues) => show(&queues, kernel.running(), health),
            Err(error) => health.degraded(with_causes(&error)),
        }
        sleep(COUNT).await;
    }
}

fn show(queues: &[JobQueue], running: usize, health: &PartHealth) {
    let mut waiting = Vec::new();
    let mut is_late = false;
    for pool in ["interactive", "background"] {
        for state in State::ALL.into_iter().filter(|state| !state.is_final()) {
            let queue = queues.iter().find(|queue| queue.pool == pool && queue.state == state.as_str());
            let jobs = queue.map_or(0, |queue| queue.jobs);
            let age = queue
                .and_then(|queue| Some((queue.now - queue.oldest_due_at?).as_seconds_f64()))
                .unwrap_or(0.0)
                .max(0.0);
            metrics::gauge!(metric::JOBS, "pool" => pool, "state" => state.as_str()).set(jobs as f64);
            if state == State::Scheduled {
                metrics::gauge!(metric::JOBS_OLDEST, "pool" => pool).set(age);
                is_late |= pool == "interactive" && age > LATE.as_secs_f64();
            }
            if jobs > 0 {
                waiting.push(format!("{jobs} {pool} {state}"));
            }
        }
    }
    let waiting = if waiting.is_empty() { "nothing waits".to_owned() } else { waiting.join(", ") };
    if is_late {
        health.degraded(format_args!("jobs that people wait for are late: {waiting}; {running} are being done here"));
    } else {
        health.busy(format_args!("{waiting}; {running} are being done here"));
    }
}
