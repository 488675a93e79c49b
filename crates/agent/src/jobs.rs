//! Which rooms this process takes: the lease comes before the job.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aether_livekit::worker::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
use aether_livekit::{agent_identity, parse_room_name};
use aether_proto::{RoomName, TenantId};
use aether_store::{AcquireError, RoomLease, Rooms};

use crate::service::Options;
use crate::visit::{self, Visit};

/// A holder that dies leaves its room free after so long.
const LEASE: Duration = Duration::from_secs(10);

/// Takes and does the jobs of one process.
pub(crate) struct Jobs {
    pub options: Options,
    pub parts: visit::Parts,
    pub rooms: Rooms,
    /// `agent/<instance>`: who holds the leases.
    pub holder: String,
    /// Rooms that were accepted and not yet entered.
    pub taken: Mutex<HashMap<String, Option<RoomLease>>>,
}

impl Jobs {
    /// Takes the room. `Err`: another agent holds it.
    async fn take(&self, tenant: &TenantId, room: &RoomName) -> Result<Option<RoomLease>, ()> {
        match self.rooms.acquire(tenant, room, &self.holder, LEASE).await {
            Ok(lease) => Ok(Some(lease)),
            Err(AcquireError::Held(by)) => {
                tracing::info!(%room, holder = %by.holder, "the room has an agent already");
                Err(())
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
            Err(()) => Availability::Reject,
        }
    }

    async fn abandoned(&self, job: &Job) {
        visit::release(self.recall(job)).await;
    }

    async fn run(&self, context: JobContext) -> JobOutcome {
        let lease = self.recall(&context.job);
        let Ok((tenant, room)) = parse_room_name(&context.job.room) else {
            return JobOutcome::Failed("not a room of ours".to_owned());
        };
        let visit = Visit { options: &self.options, parts: &self.parts, tenant, room, lease };
        match visit.run(context).await {
            Ok(()) => JobOutcome::Success,
            Err(error) => {
                tracing::error!(%error, "a visit to a room failed");
                JobOutcome::Failed(error.to_string())
            }
        }
    }
}
