//! Hands out work: looks what waits, takes of it in fair turns, and keeps so many workers busy.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aether_job::fairness::{self, Share, Waiting};
use aether_proto::{JobId, TenantId};
use aether_store::{Error, JobRow, WaitingJob};
use aether_telemetry::with_causes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::clock::unix_ms;
use crate::kernel::Kernel;
use crate::kind::Pool;
use crate::worker;

/// Short jobs are taken ahead, as many as are done within this time: so that asking does not take longer than doing.
const AHEAD: Duration = Duration::from_millis(40);
const MOST_AHEAD: usize = 64;
/// After the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until `shutdown`; what has begun then goes on in `work`.
pub(crate) async fn run(
    kernel: Arc<Kernel>,
    pool: Pool,
    workers: usize,
    work: TaskTracker,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(workers));
    let mut taken: VecDeque<JobRow> = VecDeque::new();
    let mut pace = Pace::default();
    loop {
        let place = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        if taken.is_empty() {
            // Armed before looking: what comes meanwhile rings for the next look.
            let bell = kernel.bell.notified();
            match take(&kernel, pool, 1 + places.available_permits() + pace.ahead(workers)).await {
                Ok(jobs) => taken.extend(jobs),
                Err(error) => {
                    tracing::warn!(
                        error = with_causes(&error),
                        pool = pool.as_str(),
                        "nobody can say what is to be done"
                    );
                    let _ = timeout(PAUSE, shutdown.cancelled()).await;
                }
            }
            if taken.is_empty() {
                drop(place);
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    _ = timeout(kernel.options.look, bell) => {}
                }
                continue;
            }
        }
        if let Some(job) = taken.pop_front() {
            pace.begins();
            begin(&kernel, job, place, &work);
        }
    }
    // What was taken and not begun goes back to whoever comes.
    for job in taken {
        worker::give_back(&kernel, &job).instrument(Kernel::span(&job)).await;
    }
}

fn begin(kernel: &Arc<Kernel>, job: JobRow, place: OwnedSemaphorePermit, work: &TaskTracker) {
    let kernel = Arc::clone(kernel);
    let span = Kernel::span(&job);
    work.spawn(async move { worker::work(&kernel, job, place).await }.instrument(span));
}

async fn take(kernel: &Kernel, pool: Pool, wanted: usize) -> Result<Vec<JobRow>, Error> {
    let waiting = kernel.store.waiting_jobs(pool.as_str(), u32::try_from(wanted).unwrap_or(u32::MAX)).await?;
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let chosen = choose(waiting, wanted, &kernel.options.tenant_weights);
    let claimed = kernel.store.claim_jobs(&chosen, &kernel.worker, kernel.options.lease).await?;
    for job in &claimed {
        worker::tell(kernel, job, &job.state, job.attempt, "").await;
    }
    Ok(claimed)
}

/// The first `wanted` in fair turns between tenants, by their weight.
fn choose(waiting: Vec<WaitingJob>, wanted: usize, weights: &BTreeMap<TenantId, NonZeroU32>) -> Vec<(String, JobId)> {
    let mut tenants: BTreeMap<String, Share<(String, JobId)>> = BTreeMap::new();
    for WaitingJob { tenant, job, start_by, running } in waiting {
        let share = tenants.entry(tenant.clone()).or_insert_with(|| Share {
            weight: TenantId::new(tenant.clone())
                .ok()
                .and_then(|id| weights.get(&id).copied())
                .unwrap_or(NonZeroU32::MIN),
            ..Share::new(u64::try_from(running).unwrap_or_default())
        });
        share.waiting.push_back(Waiting { job: (tenant, job), start_by_unix_ms: unix_ms(start_by) });
    }
    let mut shares: Vec<_> = tenants.into_values().collect();
    std::iter::from_fn(|| fairness::take(&mut shares)).take(wanted).collect()
}

/// How fast jobs have been done lately.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    /// Between the beginnings of two jobs, smoothed.
    between: Option<Duration>,
}

impl Pace {
    fn begins(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            let between = now - last;
            self.between = Some(self.between.map_or(between, |before| (before * 7 + between) / 8));
        }
    }

    fn ahead(&self, workers: usize) -> usize {
        let Some(between) = self.between else { return 0 };
        let within = AHEAD.as_micros() / between.as_micros().max(1);
        usize::try_from(within).unwrap_or(usize::MAX).min(MOST_AHEAD).saturating_sub(workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_of_weight_three_gets_three_times_as_much() {
        let start_by = time::OffsetDateTime::UNIX_EPOCH;
        let waiting = ["acme", "other"].into_iter().flat_map(|tenant| {
            std::iter::repeat_with(move || WaitingJob {
                tenant: tenant.to_owned(),
                job: JobId::generate(),
                start_by,
                running: 0,
            })
            .take(20)
        });
        let weights = BTreeMap::from([(TenantId::new("acme").unwrap(), NonZeroU32::new(3).unwrap())]);
        let chosen = choose(waiting.collect(), 12, &weights);
        assert_eq!(chosen.iter().filter(|(tenant, _)| tenant == "acme").count(), 9);
    }
}
