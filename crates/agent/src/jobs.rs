//! Which rooms this process takes: the lease comes before the job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aether_livekit::worker::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
use aether_livekit::{agent_identity, parse_room_name};
use aether_store::Rooms;
use aether_telemetry::metric;

use crate::lease::{Held, Keeper};
use crate::options::Options;
use crate::reconciler::RETURNING;
use crate::visit::{Parts, Visit};

/// Takes and does the jobs of one process.
pub(crate) struct Jobs {
    options: Arc<Options>,
    parts: Parts,
    rooms: Rooms,
    /// `agent/<instance>`: who holds the leases.
    holder: Arc<str>,
    /// Rooms that were taken and whose jobs have not begun.
    taken: Mutex<HashMap<String, Keeper>>,
}

impl Jobs {
    pub(crate) fn new(options: Arc<Options>, parts: Parts, rooms: Rooms, holder: &str) -> Self {
        Self { options, parts, rooms, holder: holder.into(), taken: Mutex::default() }
    }

    fn recall(&self, job: &Job) -> Option<Keeper> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id)
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
        match Keeper::take(self.rooms.clone(), tenant, room.clone(), Arc::clone(&self.holder)).await {
            Ok(keeper) => {
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), keeper);
                Availability::Accept(Acceptance::new(agent_identity(&room), self.options.name.clone()))
            }
            Err(Held) => Availability::Reject,
        }
    }

    async fn abandoned(&self, job: &Job) {
        // Dropping the keeper gives the room back.
        self.recall(job);
    }

    async fn run(&self, context: JobContext) -> JobOutcome {
        let keeper = self.recall(&context.job);
        let (Some(keeper), Ok((tenant, room))) = (keeper, parse_room_name(&context.job.room)) else {
            return JobOutcome::Failed("this job was not accepted here".to_owned());
        };
        let greeting = match context.job.metadata.as_str() {
            RETURNING => self.options.return_greeting.clone(),
            _ => self.options.greeting.clone(),
        };
        let visit = Visit { options: &self.options, parts: &self.parts, tenant, room, greeting, keeper };
        metrics::gauge!(metric::SESSIONS).increment(1);
        let outcome = Box::pin(visit.run(context)).await;
        metrics::gauge!(metric::SESSIONS).decrement(1);
        match outcome {
            Ok(()) => JobOutcome::Success,
            Err(error) => {
                tracing::error!(%error, "a visit to a room failed");
                JobOutcome::Failed(error.to_string())
            }
        }
    }
}
