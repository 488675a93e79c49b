//! The one who writes: whatever comes while a transaction is under way goes together into the next, so that a busy kernel
//! commits seldom and an idle one at once.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aether_proto::{Error, ErrorCode, TenantId};
use aether_store::{JobChange, NewJob, Store, Submitted};
use aether_telemetry::with_causes;
use tokio::sync::{mpsc, oneshot};

use crate::submission::failed;

/// What may wait to be written before it is said that there is too much.
const ROOM: usize = 2048;
/// Written in one transaction.
const MOST_AT_ONCE: usize = 256;
/// Between two tries to write what must not be lost.
const PAUSE: Duration = Duration::from_millis(500);

type Wish<T, R> = (TenantId, T, Reply<R>);
type Reply<R> = oneshot::Sender<Result<R, Error>>;

/// A hold on both writers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clerk {
    submissions: mpsc::Sender<Wish<NewJob, Submitted>>,
    changes: mpsc::Sender<Wish<JobChange, bool>>,
}

impl Clerk {
    /// Ends when the last hold on it is dropped.
    pub fn start(store: &Store) -> Self {
        let (submissions, new_jobs) = mpsc::channel(ROOM);
        let (changes, changed_jobs) = mpsc::channel(ROOM);
        let (inserting, changing) = (store.clone(), store.clone());
        tokio::spawn(write(new_jobs, false, move |tenant, jobs: Vec<NewJob>| {
            let store = inserting.clone();
            async move {
                let mut transaction = store.tenant(&tenant).await?;
                let submitted = transaction.insert_jobs(&jobs).await?;
                transaction.commit().await?;
                Ok(submitted)
            }
        }));
        tokio::spawn(write(changed_jobs, true, move |tenant, changes: Vec<JobChange>| {
            let store = changing.clone();
            async move {
                let mut transaction = store.tenant(&tenant).await?;
                let changed = transaction.change_jobs(&changes).await?;
                transaction.commit().await?;
                Ok(changes.iter().map(|change| changed.contains(&change.job)).collect())
            }
        }));
        Self { submissions, changes }
    }

    /// Returns once the job is kept. Where more waits than can be written soon, it is refused.
    pub async fn submit(&self, tenant: TenantId, job: NewJob) -> Result<Submitted, Error> {
        let (reply, written) = oneshot::channel();
        self.submissions.try_send((tenant, job, reply)).map_err(|_| {
            let mut error = ErrorCode::Overloaded.error("more jobs are submitted than can be written down; try again");
            error.retry_after_ms = 500;
            error
        })?;
        written.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Returns once the change is made, or its job is found to be another by now: false. While the database is away it waits.
    pub async fn change(&self, tenant: TenantId, change: JobChange) -> Result<bool, Error> {
        let (reply, written) = oneshot::channel();
        self.changes.send((tenant, change, reply)).await.map_err(|_| ended())?;
        written.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> Error {
    ErrorCode::Unavailable.error("the scheduler is stopping")
}

/// `insists`: what can't be written now is written later, because it has happened.
async fn write<T, R, F>(mut wishes: mpsc::Receiver<Wish<T, R>>, insists: bool, transact: impl Fn(TenantId, Vec<T>) -> F)
where
    T: Clone,
    F: Future<Output = Result<Vec<R>, aether_store::Error>>,
{
    let mut batch = Vec::with_capacity(MOST_AT_ONCE);
    while wishes.recv_many(&mut batch, MOST_AT_ONCE).await > 0 {
        let mut by_tenant: BTreeMap<TenantId, (Vec<T>, Vec<Reply<R>>)> = BTreeMap::new();
        for (tenant, wish, reply) in batch.drain(..) {
            let (wishes, replies) = by_tenant.entry(tenant).or_default();
            wishes.push(wish);
            replies.push(reply);
        }
        for (tenant, (wishes, replies)) in by_tenant {
            let outcome = together(&tenant, &wishes, insists, &transact).await;
            match outcome {
                Ok(results) => results.into_iter().zip(replies).for_each(|(result, reply)| tell(reply, Ok(result))),
                // One of them is at fault; the others must not suffer for it.
                Err(aether_store::Error::Rejected(_)) if wishes.len() > 1 => {
                    for (wish, reply) in wishes.into_iter().zip(replies) {
                        let outcome = together(&tenant, &[wish], insists, &transact).await;
                        let result = outcome
                            .map_err(|error| failed(&error))
                            .and_then(|mut results| results.pop().ok_or_else(ended));
                        tell(reply, result);
                    }
                }
                Err(error) => {
                    let error = failed(&error);
                    replies.into_iter().for_each(|reply| tell(reply, Err(error.clone())));
                }
            }
        }
    }
}

async fn together<T, R, F>(
    tenant: &TenantId,
    wishes: &[T],
    insists: bool,
    transact: &impl Fn(TenantId, Vec<T>) -> F,
) -> Result<Vec<R>, aether_store::Error>
where
    T: Clone,
    F: Future<Output = Result<Vec<R>, aether_store::Error>>,
{
    loop {
        match transact(tenant.clone(), wishes.to_vec()).await {
            Err(error) if insists && error.code() == ErrorCode::StoreUnavailable => {
                tracing::warn!(error = with_causes(&error), %tenant, "what became of jobs can't be written yet, trying again");
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

fn tell<R>(reply: Reply<R>, result: Result<R, Error>) {
    // Whoever asked may have gone; it is written all the same.
    let _ = reply.send(result);
}
