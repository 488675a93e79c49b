//! What is done beside conversations: what there is, what became of it, and wishes about it. Whoever speaks for one person
//! sees and changes only theirs.

use std::collections::HashMap;
use std::time::Duration;

use aether_proto::{
    ErrorCode, JobAction, JobControl, JobControlReply, JobId, JobState, SessionId, job_control, subject,
};
use aether_store::{JobQuery, JobRow};
use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, Segment};
use crate::problem::Problem;
use crate::sessions::{page_of, rfc3339};

/// Schedules that are listed.
const MOST: u32 = 100;
/// Within it the scheduler has written down what was wished.
const CONTROL: Duration = Duration::from_secs(5);

/// `GET /v1/tasks?state&kind&session_id&limit&before`: newest first. `state` is one or more of the states, with commas between.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let (limit, before) = page_of(&query)?;
    let states = match query.get("state") {
        None => Vec::new(),
        Some(text) => text.split(',').map(|text| state(text.trim())).collect::<Result<_, _>>()?,
    };
    let session = match query.get("session_id") {
        None => None,
        Some(text) => Some(text.parse::<SessionId>().map_err(|error| Problem::field("session_id", error))?),
    };
    let wanted = JobQuery {
        agent: &caller.agent,
        person: caller.person.as_ref(),
        kind: query.get("kind").map(String::as_str),
        states: &states,
        session,
        before,
        limit: limit + 1,
    };
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let mut jobs = transaction.jobs(&wanted).await?;
    let has_more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let data: Vec<_> = jobs.iter().map(shown).collect();
    Ok(Json(json!({ "data": data, "has_more": has_more })))
}

fn state(text: &str) -> Result<String, Problem> {
    let name = text.to_ascii_uppercase();
    JobState::from_str_name(&name).filter(|state| *state != JobState::Unspecified).ok_or_else(|| {
        Problem::field(
            "state",
            format_args!(
                "{text:?} is no state; there are PENDING, SCHEDULED, EXECUTING, VERIFYING, \
            COMMITTED, FAILED, RETRYING, ESCALATED, HUMAN_REVIEW, COMPENSATING and ROLLED_BACK"
            ),
        )
    })?;
    Ok(name)
}

fn shown(job: &JobRow) -> Value {
    json!({
        "job_id": job.job.to_string(),
        "kind": job.kind,
        "person_id": job.person,
        "session_id": job.session.map(|session| session.to_string()),
        "schedule_id": job.schedule.map(|schedule| schedule.to_string()),
        "payload": job.payload,
        "priority": format!("P{}", job.priority),
        "pool": job.pool,
        "state": job.state,
        "attempt": job.attempt,
        "failures": job.failures,
        "reason": job.reason,
        "result": job.result,
        "due_at": rfc3339(job.due_at),
        "expires_at": job.expires_at.and_then(rfc3339),
        "created_at": rfc3339(job.created_at),
        "updated_at": rfc3339(job.updated_at),
    })
}

/// `GET /v1/tasks/{id}`: one of them, with every state that it was in.
pub(crate) async fn show(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Result<Json<Value>, Problem> {
    // What is no id names no task.
    let unknown = || Problem::not_found(format_args!("there is no task {id:?}"));
    let job: JobId = id.parse().map_err(|_| unknown())?;
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let row = transaction.job(&caller.agent, caller.person.as_ref(), job).await?.ok_or_else(unknown)?;
    let steps = transaction.job_steps(job).await?;
    let steps: Vec<_> = steps
        .into_iter()
        .map(|step| json!({ "state": step.state, "attempt": step.attempt, "reason": step.reason, "at": rfc3339(step.at) }))
        .collect();
    let mut whole = shown(&row);
    whole["steps"] = Value::Array(steps);
    Ok(Json(whole))
}

/// `GET /v1/schedules?limit`: what is done again and again, the next to come first.
pub(crate) async fn schedules(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    let kind = query.get("kind").map(String::as_str);
    let schedules = transaction.schedules(&caller.agent, caller.person.as_ref(), kind, MOST).await?;
    let data: Vec<_> = schedules
        .into_iter()
        .map(|schedule| {
            json!({
                "schedule_id": schedule.schedule.to_string(),
                "kind": schedule.kind,
                "person_id": schedule.person,
                "payload": schedule.payload,
                "priority": format!("P{}", schedule.priority),
                "cron": schedule.cron,
                "time_zone": schedule.time_zone,
                "missed": schedule.missed,
                "next_at": schedule.next_at.and_then(rfc3339),
                "created_at": rfc3339(schedule.created_at),
            })
        })
        .collect();
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/tasks/control`: `{"action": "cancel", "job_id": "…"}`, or `retry`, or `replay`; all jobs of a `session_id` can be
/// cancelled at once, and a schedule is ended under its own id.
pub(crate) async fn control(State(app): State<App>, caller: Caller, body: Body) -> Result<Json<Value>, Problem> {
    let body = body.object()?;
    let field = body.required("action")?;
    let action = match field.text()? {
        "cancel" => JobAction::Cancel,
        "retry" => JobAction::Retry,
        "replay" => JobAction::Replay,
        _ => return Err(field.wrong("must be `cancel`, `retry` or `replay`")),
    };
    let what = match (body.get("job_id"), body.get("session_id")) {
        (Some(field), None) => job_control::What::JobId(field.text()?.to_owned()),
        (None, Some(field)) => job_control::What::SessionId(field.text()?.to_owned()),
        _ => {
            let message = "say which: either `job_id` or `session_id`";
            return Err(Problem::new(ErrorCode::InvalidArgument, message));
        }
    };
    let wish = JobControl {
        what: Some(what),
        action: action.into(),
        person_id: caller.person.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let context = app.context(&caller).with_deadline(CONTROL);
    let reply: JobControlReply = match app.bus.request(&context, subject::JOBS_CONTROL, &wish).await {
        Err(aether_bus::Error::NoWorker { .. }) => {
            let message = "the scheduler does not run, so nothing was changed; try again";
            return Err(Problem::new(ErrorCode::Unavailable, message));
        }
        asked => asked?,
    };
    Ok(Json(json!({ "changed": reply.changed })))
}
