//! What is asked for, read: a job, or the plan of one that comes again and again.

use aether_bus::Context;
use aether_job::{Missed, Priority, State};
use aether_proto::{
    Error, ErrorCode, JobId, JobPriority, KernelReply, KernelRequest, MissedRuns, Modality, PersonId, Recurrence,
    SessionId,
};
use aether_store::{NewJob, NewSchedule};
use serde_json::Value;
use time::OffsetDateTime;

use crate::clock::from_unix_ms;
use crate::kernel::Kernel;
use crate::kind::{self, Kind};
use crate::recurrence::Recurring;

const LARGEST_PAYLOAD: usize = 64 * 1024;
const LONGEST_KEY: usize = 256;
/// Later than this is a mistake in the unit.
const LATEST_YEAR: i32 = 2200;

/// Answers one `jobs.submit`.
pub(crate) async fn submit(kernel: &Kernel, context: Context, request: KernelRequest) -> Result<KernelReply, Error> {
    let wanted = Wanted::read(&request)?;
    let submitted = match &request.recurrence {
        Some(recurrence) => {
            let now = kernel.now(&context).await.map_err(|error| failed(&error))?;
            let schedule = wanted.schedule(&context, recurrence, now)?;
            kernel.keep(&context, &schedule).await.map_err(|error| failed(&error))?
        }
        None => {
            let job = wanted.job(&context);
            let submitted = kernel.clerk.submit(context.tenant.clone(), job).await?;
            kernel.wake_all(&context);
            submitted
        }
    };
    kernel.plan_nights(&context).await;
    let state = aether_proto::JobState::from_str_name(&submitted.state).unwrap_or_default();
    Ok(KernelReply { job_id: submitted.job.to_string(), state: state.into(), existed: submitted.existed })
}

pub(crate) fn failed(error: &aether_store::Error) -> Error {
    error.code().error(aether_telemetry::with_causes(error))
}

/// A request that can be done.
struct Wanted {
    kind: &'static dyn Kind,
    modality: &'static str,
    person: Option<PersonId>,
    session: Option<SessionId>,
    payload: Value,
    priority: Priority,
    due_at: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    idempotency_key: String,
}

/// What a new job has been through.
pub(crate) fn admitted() -> Vec<&'static str> {
    [State::Pending, State::Scheduled].map(State::as_str).to_vec()
}

pub(crate) fn invalid(reason: impl std::fmt::Display) -> Error {
    ErrorCode::InvalidArgument.error(reason)
}

impl Wanted {
    fn read(request: &KernelRequest) -> Result<Self, Error> {
        let kind = kind::named(&request.kind).ok_or_else(|| {
            invalid(format_args!("there is no job of the kind {:?}; there are: {}", request.kind, kind::names()))
        })?;
        let person = read_id(&request.person_id, |text| PersonId::new(text))?;
        if person.is_none() && kind.needs_person() {
            return Err(invalid(format_args!("a {} is for somebody: `person_id` is empty", kind.name())));
        }
        let session = read_id(&request.session_id, |text| text.parse())?;
        if request.payload.len() > LARGEST_PAYLOAD {
            let bytes = request.payload.len();
            return Err(
                ErrorCode::TooLarge.error(format_args!("`payload` has {bytes} bytes, the limit is {LARGEST_PAYLOAD}"))
            );
        }
        let text = if request.payload.is_empty() { "null" } else { &request.payload };
        let payload: Value =
            serde_json::from_str(text).map_err(|error| invalid(format_args!("`payload` is no JSON: {error}")))?;
        if holds_nul(&payload) {
            return Err(invalid("`payload` holds the character U+0000, which can't be kept"));
        }
        kind.check(&payload).map_err(invalid)?;
        if request.idempotency_key.len() > LONGEST_KEY {
            return Err(invalid(format_args!("`idempotency_key` is longer than {LONGEST_KEY} bytes")));
        }
        let priority = match request.priority() {
            JobPriority::Unspecified => kind.priority(),
            JobPriority::P0 => Priority::P0,
            JobPriority::P1 => Priority::P1,
            JobPriority::P2 => Priority::P2,
            JobPriority::P3 => Priority::P3,
        };
        let due_at = read_time("due_unix_ms", request.due_unix_ms)?;
        let expires_at = read_time("expires_unix_ms", request.expires_unix_ms)?;
        if expires_at.zip(due_at).is_some_and(|(expires_at, due_at)| expires_at <= due_at) {
            return Err(invalid("`expires_unix_ms` is before `due_unix_ms`: it could never be done"));
        }
        if request.recurrence.is_some() && (due_at.is_some() || expires_at.is_some()) {
            return Err(invalid(
                "a recurrence says itself when it is due: leave out `due_unix_ms` and `expires_unix_ms`",
            ));
        }
        let modality = if request.modality() == Modality::Voice { "voice" } else { "text" };
        let idempotency_key = request.idempotency_key.clone();
        Ok(Self { kind, modality, person, session, payload, priority, due_at, expires_at, idempotency_key })
    }

    fn key(&self, id: JobId) -> String {
        if self.idempotency_key.is_empty() { id.to_string() } else { self.idempotency_key.clone() }
    }

    fn job(self, context: &Context) -> NewJob {
        let job = JobId::generate();
        NewJob {
            job,
            agent: context.agent.clone(),
            kind: self.kind.name().to_owned(),
            modality: self.modality,
            idempotency_key: self.key(job),
            person: self.person,
            session: self.session,
            payload: self.payload,
            priority: self.priority.number().into(),
            pool: self.kind.pool().as_str(),
            schedule: None,
            due_at: self.due_at,
            patience: self.priority.patience(),
            expires_at: self.expires_at,
            states: admitted(),
            traceparent: aether_telemetry::traceparent(),
        }
    }

    fn schedule(self, context: &Context, recurrence: &Recurrence, now: OffsetDateTime) -> Result<NewSchedule, Error> {
        let next_at = Recurring::of(recurrence)?
            .next(now)
            .ok_or_else(|| invalid(format_args!("{:?} never comes", recurrence.cron)))?;
        let schedule = JobId::generate();
        Ok(NewSchedule {
            schedule,
            agent: context.agent.clone(),
            kind: self.kind.name().to_owned(),
            modality: self.modality,
            idempotency_key: self.key(schedule),
            person: self.person,
            session: self.session,
            payload: self.payload,
            priority: self.priority.number().into(),
            cron: recurrence.cron.clone(),
            time_zone: recurrence.time_zone.clone(),
            missed: if recurrence.missed() == MissedRuns::Skip { Missed::Skip } else { Missed::RunOnce }.as_str(),
            next_at,
        })
    }
}

fn read_id<T, E: std::fmt::Display>(text: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some).map_err(invalid) }
}

fn read_time(name: &str, unix_ms: i64) -> Result<Option<OffsetDateTime>, Error> {
    if unix_ms == 0 {
        return Ok(None);
    }
    from_unix_ms(unix_ms)
        .filter(|at| unix_ms > 0 && at.year() < LATEST_YEAR)
        .map(Some)
        .ok_or_else(|| invalid(format_args!("`{name}` is no time in milliseconds since 1970")))
}

/// Postgres can't keep it.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> KernelRequest {
        KernelRequest {
            kind: "reminder".into(),
            person_id: "ada".into(),
            payload: r#"{"about":"tea"}"#.into(),
            ..KernelRequest::default()
        }
    }

    #[test]
    fn what_can_be_done_is_read_with_the_kinds_defaults() {
        let wanted = Wanted::read(&request()).unwrap();
        assert_eq!((wanted.priority, wanted.due_at, wanted.kind.name()), (Priority::P0, None, "reminder"));
        let wanted = Wanted::read(&KernelRequest { priority: JobPriority::P2.into(), ..request() }).unwrap();
        assert_eq!(wanted.priority, Priority::P2);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_reason() {
        let later = 1_900_000_000_000;
        for (request, reason) in [
            (KernelRequest { kind: "dance".into(), ..request() }, "there are: reminder"),
            (KernelRequest { person_id: String::new(), ..request() }, "is for somebody"),
            (KernelRequest { person_id: "a\nb".into(), ..request() }, "control character"),
            (KernelRequest { session_id: "7".into(), ..request() }, "not a UUID"),
            (KernelRequest { payload: "{".into(), ..request() }, "no JSON"),
            (KernelRequest { payload: "\"".repeat(70_000), ..request() }, "limit is 65536"),
            (KernelRequest { payload: r#"{"about":"\u0000"}"#.into(), ..request() }, "U+0000"),
            (KernelRequest { payload: format!("{}{}", "[".repeat(9_000), "]".repeat(9_000)), ..request() }, "no JSON"),
            (KernelRequest { idempotency_key: "k".repeat(300), ..request() }, "256"),
            (KernelRequest { due_unix_ms: -5, ..request() }, "since 1970"),
            (KernelRequest { due_unix_ms: i64::MAX, ..request() }, "since 1970"),
            (KernelRequest { due_unix_ms: later, expires_unix_ms: later, ..request() }, "never be done"),
            (KernelRequest { due_unix_ms: later, recurrence: Some(Recurrence::default()), ..request() }, "leave out"),
        ] {
            let error = Wanted::read(&request).map(|_| ()).unwrap_err();
            assert!(error.message.contains(reason), "{error}");
        }
    }
}
