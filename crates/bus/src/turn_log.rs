//! The turn log: each step of a turn that must not be lost, written as it happens.
//!
//! While NATS is there, an append returns when JetStream has stored the entry. While it is away, entries go to a file on the
//! disk, and are sent in their order when it is back, also by the next process if this one dies first. An entry may be sent
//! twice, never out of order within one process; `Nats-Msg-Id` (`<turn>:<sequence>`) and the row's key make it one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex as BlockingMutex, PoisonError};
use std::time::Duration;

use aether_proto::turn_log_entry::Step;
use aether_proto::{TurnId, TurnLogEntry, subject};
use async_nats::HeaderMap;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bus::Bus;
use crate::context::Context;
use crate::durable::{self, DurableStream};
use crate::error::Error;
use crate::spool::{Entry, First, Spool, SpoolError};
use crate::{frame, headers, trace};

/// Well below what NATS takes with headers: an entry it would refuse must never get into the spool, which it would block.
const LARGEST_ENTRY: usize = 512 << 10;
const REPLAY_RETRY: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub struct TurnLogOptions {
    /// Where the spool lives. Several processes may share a folder.
    pub spool_folder: PathBuf,
    /// Largest size of the spool; an append beyond it is an error.
    pub spool_limit_bytes: u64,
}

impl TurnLogOptions {
    /// A spool of at most 256 MiB: months of talk.
    pub fn new(spool_folder: impl Into<PathBuf>) -> Self {
        Self { spool_folder: spool_folder.into(), spool_limit_bytes: 256 << 20 }
    }
}

/// A cheap handle; the clones share one spool.
#[derive(Clone)]
pub struct TurnLog {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

struct Shared {
    bus: Bus,
    spool: Arc<BlockingMutex<Spool>>,
    /// Held from the choice between NATS and spool until the entry is in one of them: that keeps the order.
    order: Mutex<()>,
    spooled: Notify,
    waiting_bytes: watch::Sender<u64>,
}

impl TurnLog {
    /// Opens the spool and begins to send what an earlier process left in it.
    pub async fn open(bus: &Bus, options: TurnLogOptions) -> Result<Self, SpoolError> {
        let name = format!("{}-turns", subject::escape(bus.service_name()));
        let spool = blocking(move || Spool::open(&options.spool_folder, &name, options.spool_limit_bytes)).await?;
        let shared = Arc::new(Shared {
            bus: bus.clone(),
            waiting_bytes: watch::Sender::new(spool.bytes()),
            spool: Arc::new(BlockingMutex::new(spool)),
            order: Mutex::new(()),
            spooled: Notify::new(),
        });
        let stop = CancellationToken::new();
        tokio::spawn({
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            async move { stop.run_until_cancelled(shared.replay()).await }
        });
        Ok(Self { shared, _stop: Arc::new(stop.drop_guard()) })
    }

    /// Returns once the entry can't be lost any more: stored by JetStream, or synced to the disk.
    pub async fn append(&self, context: &Context, entry: &TurnLogEntry) -> Result<(), AppendError> {
        let session = entry.session_id.parse().map_err(|_| AppendError::Session)?;
        let subject = subject::turns(&context.tenant, session);
        let turn: TurnId = entry.turn_id.parse().map_err(|_| AppendError::Turn)?;
        let message_id = format!("{turn}:{}", entry.sequence);
        let mut outgoing = HeaderMap::new();
        headers::write_context(&mut outgoing, context);
        match entry.step {
            Some(Step::UserCommitted(_) | Step::Ended(_)) => trace::write(&mut outgoing),
            // The many chunks of an answer would hide the rest of its turn's trace.
            _ => trace::write_unkept(&mut outgoing),
        }
        self.shared.append(subject, message_id, outgoing, entry).await
    }

    /// How many bytes wait in the spool: zero while all is well.
    pub fn waiting_bytes(&self) -> watch::Receiver<u64> {
        self.shared.waiting_bytes.subscribe()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the turn log entry has no valid session id")]
    Session,
    #[error("the turn log entry has no valid turn id")]
    Turn,
    #[error(transparent)]
    Encode(Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Shared {
    async fn append(
        &self,
        subject: String,
        message_id: String,
        headers: HeaderMap,
        entry: &TurnLogEntry,
    ) -> Result<(), AppendError> {
        let payload = frame::encode(&subject, entry).map_err(AppendError::Encode)?;
        if payload.len() > LARGEST_ENTRY {
            return Err(AppendError::Encode(Error::TooLarge { subject, limit: LARGEST_ENTRY }));
        }
        let _order = self.order.lock().await;
        if self.with_spool(|spool| spool.is_empty()) && *self.bus.connected().borrow() {
            match durable::store(&self.bus, &subject, &message_id, headers.clone(), payload.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "the turn log goes to the spool"),
            }
        }
        let message = frame::decode(&subject, &payload).map_err(AppendError::Encode)?;
        self.spool(Entry { subject, id: message_id, headers: flatten(&headers), message }).await?;
        Ok(())
    }

    async fn spool(&self, entry: Entry) -> Result<(), SpoolError> {
        let spool = Arc::clone(&self.spool);
        let waiting = blocking(move || {
            let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
            spool.append(&entry).map(|()| spool.bytes())
        })
        .await?;
        self.waiting_bytes.send_replace(waiting);
        self.spooled.notify_one();
        Ok(())
    }

    /// Empties the spool whenever NATS is there, oldest entry first, for ever.
    async fn replay(&self) {
        let mut connected = self.bus.connected();
        loop {
            if connected.wait_for(|connected| *connected).await.is_err() {
                return;
            }
            if let Err(error) = durable::declare(&self.bus, DurableStream::Turns).await {
                tracing::warn!(%error, "the turn log's stream is not there yet");
                tokio::time::sleep(REPLAY_RETRY).await;
                continue;
            }
            if let Err(error) = self.replay_while_connected().await {
                tracing::warn!(%error, "the spool can't be sent yet");
                tokio::time::sleep(REPLAY_RETRY).await;
            }
        }
    }

    async fn replay_while_connected(&self) -> Result<(), ReplayError> {
        loop {
            let first = self.blocking_spool(Spool::first).await?;
            match first {
                None => self.spooled.notified().await,
                Some(First::Damaged { next }) => {
                    tracing::error!("a line of the spool can't be read and is set aside");
                    self.blocking_spool(move |spool| spool.set_aside(next)).await?;
                }
                Some(First::Entry { entry, next }) => {
                    self.send(&entry).await?;
                    self.blocking_spool(move |spool| spool.done_until(next)).await?;
                }
            }
            self.waiting_bytes.send_replace(self.with_spool(|spool| spool.bytes()));
        }
    }

    async fn send(&self, entry: &Entry) -> Result<(), Error> {
        let payload = frame::encode(&entry.subject, &entry.message)?;
        durable::store(&self.bus, &entry.subject, &entry.id, unflatten(&entry.headers), payload).await
    }

    fn with_spool<T>(&self, look: impl FnOnce(&Spool) -> T) -> T {
        look(&self.spool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn blocking_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let spool = Arc::clone(&self.spool);
        blocking(move || work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Send(#[from] Error),
}

/// Disk work, off the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => Err(SpoolError::Io { path: PathBuf::new(), source: std::io::Error::other(failed) }),
    }
}

fn flatten(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut flat: Vec<(String, String)> = headers
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name.to_string(), value.as_str().to_owned())))
        .collect();
    flat.sort();
    flat
}

/// Headers that NATS would refuse can only come from a damaged line; they are left out.
fn unflatten(flat: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in flat {
        if let (Ok(name), Ok(value)) =
            (name.parse::<async_nats::HeaderName>(), value.parse::<async_nats::HeaderValue>())
        {
            headers.append(name, value);
        }
    }
    headers
}
