//! Wishes about jobs that are there: not to do them, to do them now, to do them again.

use aether_bus::Context;
use aether_job::{Event, Limits, State};
use aether_proto::{
    Error, ErrorCode, JobAction, JobControl, JobControlReply, JobId, PersonId, SessionId, job_control, subject,
};
use aether_store::{JobQuery, JobRow};

use crate::kernel::Kernel;
use crate::submission::failed;
use crate::worker;

/// Jobs of one session that are cancelled with one wish.
const MOST: u32 = 1000;

/// Answers one `jobs.control`.
pub(crate) async fn control(kernel: &Kernel, context: Context, control: JobControl) -> Result<JobControlReply, Error> {
    let invalid = |reason: &str| ErrorCode::InvalidArgument.error(reason);
    let event = match control.action() {
        JobAction::Cancel => Event::Cancelled,
        JobAction::Retry => Event::RetryDue,
        JobAction::Replay => Event::Replayed,
        JobAction::Unspecified => return Err(invalid("`action` is missing: CANCEL, RETRY or REPLAY")),
    };
    let person = match control.person_id.as_str() {
        "" => None,
        id => Some(PersonId::new(id).map_err(|error| ErrorCode::InvalidArgument.error(error))?),
    };
    match control.what {
        Some(job_control::What::JobId(id)) => {
            // What is no id names no job.
            let unknown = || ErrorCode::NotFound.error(format_args!("there is no job {id:?}"));
            let id: JobId = id.parse().map_err(|_| unknown())?;
            let mut transaction = kernel.store.tenant(&context.tenant).await.map_err(|error| failed(&error))?;
            let Some(job) =
                transaction.job(&context.agent, person.as_ref(), id).await.map_err(|error| failed(&error))?
            else {
                let is_cancel = event == Event::Cancelled;
                let ended = is_cancel
                    && transaction
                        .end_schedule(&context.agent, person.as_ref(), id)
                        .await
                        .map_err(|error| failed(&error))?;
                transaction.commit().await.map_err(|error| failed(&error))?;
                return if ended { Ok(JobControlReply { changed: 1 }) } else { Err(unknown()) };
            };
            drop(transaction);
            let changed = change(kernel, &context, &job, event).await?;
            Ok(JobControlReply { changed: u32::from(changed) })
        }
        Some(job_control::What::SessionId(id)) => {
            if event != Event::Cancelled {
                return Err(invalid("the jobs of a session can only be cancelled all at once"));
            }
            let session: SessionId = id.parse().map_err(|error| ErrorCode::InvalidArgument.error(error))?;
            let query = JobQuery {
                agent: &context.agent,
                person: person.as_ref(),
                kind: None,
                states: &State::ALL
                    .into_iter()
                    .filter(|state| !state.is_final())
                    .map(|state| state.as_str().to_owned())
                    .collect::<Vec<_>>(),
                session: Some(session),
                before: None,
                limit: MOST,
            };
            let mut transaction = kernel.store.tenant(&context.tenant).await.map_err(|error| failed(&error))?;
            let jobs = transaction.jobs(&query).await.map_err(|error| failed(&error))?;
            drop(transaction);
            let mut changed = 0;
            for job in jobs {
                // One that ends by itself meanwhile is none of the jobs that are left.
                changed += u32::from(change(kernel, &context, &job, event).await.unwrap_or(false));
            }
            Ok(JobControlReply { changed })
        }
        None => Err(invalid("which job? Name `job_id` or `session_id`")),
    }
}

async fn change(kernel: &Kernel, context: &Context, job: &JobRow, event: Event) -> Result<bool, Error> {
    let is_cancel = event == Event::Cancelled;
    let Some(change) = worker::change(job, &[event], &Limits::DEFAULT) else {
        return Err(ErrorCode::Conflict.error(format_args!("the job is {}: that can't be done to it now", job.state)));
    };
    let changed = worker::write(kernel, job, change).await?;
    if changed && is_cancel {
        kernel.stop(job.job);
        let stop = aether_proto::KernelEvent { job_id: job.job.to_string(), ..Default::default() };
        // Without NATS the worker works for nothing: what it reports is not listened to.
        let _ = kernel.bus.publish(context, subject::JOBS_STOP, &stop).await;
    }
    kernel.wake_all(context);
    Ok(changed)
}
