//! Which rooms this process takes: the lease comes before the job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aether_livekit::worker::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
use aether_livekit::{agent_identity, parse_room_name};
use aether_proto::{RoomName, TenantId};
use aether_store::{AcquireError, RoomLease, Rooms};
use aether_telemetry::metric;

use crate::lease;
use crate::options::Options;
use crate::reconciler::RETURNING;
use crate::visit::{Parts, Visit};

/// A holder that dies leaves its room free after so long: what a person waits for another agent, at most.
const LEASE: Duration = Duration::from_secs(5);

/// Takes and does the jobs of one process.
pub(crate) struct Jobs {
    options: Arc<Options>,
    parts: Parts,
    rooms: Rooms,
    /// `agent/<instance>`: who holds the leases.
    holder: String,
    /// Leases of jobs that were accepted and have not begun.
    taken: Mutex<HashMap<String, Option<RoomLease>>>,
}

/// Another agent holds the room.
struct Held;

impl Jobs {
    pub(crate) fn new(options: Arc<Options>, parts: Parts, rooms: Rooms, holder: String) -> Self {
        Self { options, parts, rooms, holder, taken: Mutex::default() }
    }

    async fn take(&self, tenant: &TenantId, room: &RoomName) -> Result<Option<RoomLease>, Held> {
        match self.rooms.acquire(tenant, room, &self.holder, LEASE).await {
            Ok(lease) => Ok(Some(lease)),
            Err(AcquireError::Held(by)) => {
                tracing::info!(%room, holder = %by.holder, "the room has an agent already");
                Err(Held)
            }
            // The identity in the room still keeps two agents apart, and a person is waiting.
            Err(AcquireError::Unavailable(error)) => {
                tracing::warn!(%room, %error, "taking the room without a lease");
                Ok(None)
            }
        }
    }

    fn remember(&self, job: &Job, lease: Option<RoomLease>) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), lease);
    }

    fn recall(&self, job: &Job) -> Option<RoomLease> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id).flatten()
    }
}

impl JobHandler for Jobs {
    async fn offered(&self, job: &Job) -> Availability {
        let Ok((tenant, room)) = parse_room_name(&job.room) else {
            tracing::info!(room = %job.room, "not a room of ours");
            return Availability::Reject;
        };
        if tenant != self.options.identity.tenant {
            return Availability::Reject;
        }
        match self.take(&tenant, &room).await {
            Ok(lease) => {
                self.remember(job, lease);
                Availability::Accept(Acceptance::new(agent_identity(&room), self.options.name.clone()))
            }
            Err(Held) => Availability::Reject,
        }
    }

    async fn abandoned(&self, job: &Job) {
        lease::release(self.recall(job)).await;
    }

    async fn run(&self, context: JobContext) -> JobOutcome {
        let lease = self.recall(&context.job);
        let Ok((tenant, room)) = parse_room_name(&context.job.room) else {
            return JobOutcome::Failed("not a room of ours".to_owned());
        };
        let greeting = match context.job.metadata.as_str() {
            RETURNING => self.options.return_greeting.clone(),
            _ => self.options.greeting.clone(),
        };
        let visit = Visit { options: &self.options, parts: &self.parts, tenant, room, greeting };
        metrics::gauge!(metric::SESSIONS).increment(1);
        let outcome = Box::pin(visit.run(context, lease.as_ref())).await;
        metrics::gauge!(metric::SESSIONS).decrement(1);
        lease::release(lease).await;
        match outcome {
            Ok(()) => JobOutcome::Success,
            Err(error) => {
                tracing::error!(%error, "a visit to a room failed");
                JobOutcome::Failed(error.to_string())
            }
        }
    }
}
