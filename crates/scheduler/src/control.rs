//! Wishes about jobs that are there: not to do them, to do them now, to do them again.

use std::time::Duration;

use aether_bus::Context;
use aether_job::{Event, Limits, State};
use aether_proto::{
    Error, ErrorCode, JobAction, JobControl, JobControlReply, JobId, KernelEvent, PersonId, SessionId, job_control,
    subject,
};
use aether_store::{JobQuery, JobRow};

use crate::kernel::Kernel;
use crate::submission::{failed, invalid};
use crate::worker;

/// Jobs of one session that are cancelled with one wish.
const MOST: u32 = 1000;

/// Answers one `jobs.control`.
pub(crate) async fn control(kernel: &Kernel, context: Context, control: JobControl) -> Result<JobControlReply, Error> {
    let event = match control.action() {
        JobAction::Cancel => Event::Cancelled,
        JobAction::Retry => Event::RetryDue,
        JobAction::Replay => Event::Replayed,
        JobAction::Unspecified => return Err(invalid("`action` is missing: CANCEL, RETRY or REPLAY")),
    };
    let person = match control.person_id.as_str() {
        "" => None,
        id => Some(PersonId::new(id).map_err(invalid)?),
    };
    let asked = Asked { kernel, context: &context, person: person.as_ref() };
    let changed = match control.what {
        Some(job_control::What::JobId(id)) => asked.change_one(&id, event).await?,
        Some(job_control::What::SessionId(_)) if event != Event::Cancelled => {
            return Err(invalid("the jobs of a session can only be cancelled all at once"));
        }
        Some(job_control::What::SessionId(id)) => asked.cancel_all(id.parse().map_err(invalid)?).await?,
        None => return Err(invalid("which job? Name `job_id` or `session_id`")),
    };
    kernel.wake_all(&context);
    Ok(JobControlReply { changed })
}

/// On whose behalf.
struct Asked<'a> {
    kernel: &'a Kernel,
    context: &'a Context,
    /// Only their jobs.
    person: Option<&'a PersonId>,
}

impl Asked<'_> {
    /// A schedule can be cancelled under its id, too.
    async fn change_one(&self, id: &str, event: Event) -> Result<u32, Error> {
        // What is no id names no job.
        let unknown = || ErrorCode::NotFound.error(format_args!("there is no job {id:?}"));
        let id: JobId = id.parse().map_err(|_| unknown())?;
        if let Some(job) = self.find(id).await.map_err(|error| failed(&error))? {
            return self.change(&job, event).await.map(u32::from);
        }
        let is_ended = event == Event::Cancelled && self.end_schedule(id).await.map_err(|error| failed(&error))?;
        if is_ended { Ok(1) } else { Err(unknown()) }
    }

    async fn cancel_all(&self, session: SessionId) -> Result<u32, Error> {
        let mut changed = 0;
        for job in self.of_session(session).await.map_err(|error| failed(&error))? {
            // One that ends by itself meanwhile is none of those that are left.
            changed += self.change(&job, Event::Cancelled).await.map_or(0, u32::from);
        }
        Ok(changed)
    }

    async fn change(&self, job: &JobRow, event: Event) -> Result<bool, Error> {
        let Some(mut change) = worker::change(job, &[event], &Limits::DEFAULT) else {
            let state = &job.state;
            return Err(ErrorCode::Conflict.error(format_args!("the job is {state}: that can't be done to it now")));
        };
        if matches!(event, Event::RetryDue | Event::Replayed) {
            change.due_in = Some(Duration::ZERO);
        }
        let changed = worker::write(self.kernel, job, change).await?;
        if changed && event == Event::Cancelled {
            self.kernel.stop(job.job);
            let stop = KernelEvent { job_id: job.job.to_string(), ..KernelEvent::default() };
            // Without NATS its worker works for nothing: what it reports is not listened to.
            let _ = self.kernel.bus.publish(self.context, subject::JOBS_STOP, &stop).await;
        }
        Ok(changed)
    }

    async fn find(&self, job: JobId) -> Result<Option<JobRow>, aether_store::Error> {
        let mut transaction = self.kernel.store.tenant(&self.context.tenant).await?;
        transaction.job(&self.context.agent, self.person, job).await
    }

    async fn end_schedule(&self, schedule: JobId) -> Result<bool, aether_store::Error> {
        let mut transaction = self.kernel.store.tenant(&self.context.tenant).await?;
        let is_ended = transaction.end_schedule(&self.context.agent, self.person, schedule).await?;
        transaction.commit().await?;
        Ok(is_ended)
    }

    /// Those that have not ended.
    async fn of_session(&self, session: SessionId) -> Result<Vec<JobRow>, aether_store::Error> {
        let open = State::ALL.into_iter().filter(|state| !state.is_final());
        let states: Vec<_> = open.map(|state| state.as_str().to_owned()).collect();
        let query = JobQuery {
            agent: &self.context.agent,
            person: self.person,
            kind: None,
            states: &states,
            session: Some(session),
            before: None,
            limit: MOST,
        };
        let mut transaction = self.kernel.store.tenant(&self.context.tenant).await?;
        transaction.jobs(&query).await
    }
}
