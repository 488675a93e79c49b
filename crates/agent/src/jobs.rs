//! Which rooms this process takes: the lease comes before the job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aether_livekit::worker::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
use aether_livekit::{agent_identity, parse_room_name};
use aether_store::Rooms;
use aether_telemetry::metric;

use crate::control::Control;
use crate::lease::{Held, Keeper};
use crate::options::Options;
use crate::summons::Summons;
use crate::visit::{Parts, Visit};

/// Takes and does the jobs of one process.
pub(crate) struct Jobs {
    options: Arc<Options>,
    parts: Parts,
    rooms: Rooms,
    /// `agent/<instance>`: who holds the leases.
    holder: Arc<str>,
    /// Rooms that were taken and whose jobs have not begun.
    taken: Mutex<HashMap<String, Taken>>,
}

/// A room that is ours. Dropping it gives it back.
struct Taken {
    keeper: Keeper,
    control: Control,
}

impl Jobs {
    pub(crate) fn new(options: Arc<Options>, parts: Parts, rooms: Rooms, holder: &str) -> Self {
        Self { options, parts, rooms, holder: holder.into(), taken: Mutex::default() }
    }

    fn recall(&self, job: &Job) -> Option<Taken> {
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
        let (rooms, holder) = (self.rooms.clone(), Arc::clone(&self.holder));
        match Keeper::take(rooms, tenant.clone(), room.clone(), holder, Summons::read(&job.metadata)).await {
            Ok(keeper) => {
                let control = Control::open(&self.parts.session.bus, &tenant, &room, &self.holder).await;
                let taken = Taken { keeper, control };
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), taken);
                Availability::Accept(Acceptance::new(agent_identity(&room), self.options.name.clone()))
            }
            Err(Held) => Availability::Reject,
        }
    }

    async fn abandoned(&self, job: &Job) {
        self.recall(job);
    }

    async fn run(&self, context: JobContext) -> JobOutcome {
        let taken = self.recall(&context.job);
        let (Some(Taken { keeper, control }), Ok((tenant, room))) = (taken, parse_room_name(&context.job.room)) else {
            return JobOutcome::Failed("this job was not accepted here".to_owned());
        };
        let is_returning = Summons::read(&context.job.metadata).goes_on();
        let visit = Visit { options: &self.options, parts: &self.parts, tenant, room, is_returning, keeper, control };
        metrics::gauge!(metric::SESSIONS).increment(1);
        let outcome = Box::pin(visit.run(context)).await;
        metrics::gauge!(metric::SESSIONS).decrement(1);
        match outcome {
            Ok(()) => JobOutcome::Success,
            Err(error) => {
                if matches!(error, aether_livekit::Error::Library(aether_livekit::ffi::Error::Panicked)) {
                    self.parts.library_failed.cancel();
                }
                JobOutcome::Failed(error.to_string())
            }
        }
    }
}
