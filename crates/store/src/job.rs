//! Jobs: what is done beside conversations, and every state it was in.
//!
//! Within a tenant jobs are submitted, changed and looked at, as everything else is. Across tenants they are only found and
//! handed out, by functions of the database that can do nothing else. What may follow on what is decided elsewhere
//! (`aether-job`); here a change is made only to a job that is still as its decider saw it.
//!
//! All times of day are the database's: two schedulers whose clocks differ agree on what is due.

use std::time::Duration;

use aether_proto::{AgentId, JobId, PersonId, SessionId, TenantId};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// A job to keep.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub job: JobId,
    pub agent: AgentId,
    pub kind: String,
    /// `voice` or `text`.
    pub modality: &'static str,
    pub person: Option<PersonId>,
    pub session: Option<SessionId>,
    pub payload: Value,
    /// 0 to 3.
    pub priority: i16,
    /// `interactive` or `background`.
    pub pool: &'static str,
    pub idempotency_key: String,
    pub schedule: Option<JobId>,
    /// `None`: now.
    pub due_at: Option<OffsetDateTime>,
    /// How long after it is due it should have begun.
    pub patience: Duration,
    pub expires_at: Option<OffsetDateTime>,
    /// All that it has been in already; it is in the last.
    pub states: Vec<&'static str>,
    /// The span that asked for it, as W3C trace context.
    pub traceparent: Option<String>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub job: JobId,
    pub state: String,
    /// There was one with its key.
    pub existed: bool,
}

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub job: JobId,
    pub kind: String,
    pub modality: String,
    pub person: Option<PersonId>,
    pub session: Option<SessionId>,
    pub payload: Value,
    pub priority: i16,
    pub pool: String,
    pub schedule: Option<JobId>,
    pub state: String,
    pub attempt: i32,
    /// Attempts that failed since it was submitted or replayed.
    pub failures: i32,
    pub due_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    pub reason: String,
    pub result: Option<Value>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// The span that asked for it, as W3C trace context.
    pub traceparent: Option<String>,
    /// Whether its deadline has passed, by the database's clock.
    pub is_expired: bool,
}

/// A change to a job that is in `from` under `from_attempt`; to any other it is none. Where it is held afterwards, its worker
/// stays its worker: nobody here takes a job over and keeps it.
#[derive(Debug, Clone)]
pub struct JobChange {
    pub job: JobId,
    pub from: String,
    pub from_attempt: i32,
    /// All that it goes through; it comes to the last.
    pub states: Vec<&'static str>,
    pub attempt: i32,
    pub failures: i32,
    /// It is due again so much later.
    pub due_in: Option<Duration>,
    /// It may be done however late it is.
    pub forgets_deadline: bool,
    pub reason: String,
    pub result: Option<Value>,
}

/// A state that a job was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStep {
    pub state: String,
    pub attempt: i32,
    pub reason: String,
    pub at: OffsetDateTime,
}

/// Which jobs to list.
#[derive(Debug, Clone)]
pub struct JobQuery<'a> {
    pub agent: &'a AgentId,
    pub person: Option<&'a PersonId>,
    pub kind: Option<&'a str>,
    /// Empty: all.
    pub states: &'a [String],
    pub session: Option<SessionId>,
    pub before: Option<OffsetDateTime>,
    pub limit: u32,
}

/// Something that waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    pub tenant: String,
    pub job: JobId,
    pub start_by: OffsetDateTime,
    /// Jobs of the same tenant and pool that are being worked on.
    pub running: i64,
}

/// What there is of one state in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobQueue {
    pub pool: String,
    pub state: String,
    pub jobs: i64,
    pub oldest_due_at: Option<OffsetDateTime>,
    /// By the database's clock.
    pub now: OffsetDateTime,
}

struct Record {
    tenant_id: String,
    agent_id: String,
    job_id: Uuid,
    kind: String,
    modality: String,
    person_id: String,
    session_id: Option<Uuid>,
    payload: Value,
    priority: i16,
    pool: String,
    schedule_id: Option<Uuid>,
    state: String,
    attempt: i32,
    failures: i32,
    due_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    reason: String,
    result: Option<Value>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    traceparent: Option<String>,
    is_expired: bool,
}

/// Whole jobs from wherever: a function's columns may be NULL as far as Postgres knows, so each is named.
macro_rules! select_jobs {
    ($from:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Record,
            r#"SELECT tenant_id AS "tenant_id!", agent_id AS "agent_id!", job_id AS "job_id!", kind AS "kind!",
                      modality AS "modality!", person_id AS "person_id!", session_id AS "session_id?",
                      payload AS "payload!", priority AS "priority!", pool AS "pool!", schedule_id AS "schedule_id?",
                      state AS "state!", attempt AS "attempt!", failures AS "failures!", due_at AS "due_at!",
                      expires_at AS "expires_at?", reason AS "reason!", result AS "result?",
                      created_at AS "created_at!", updated_at AS "updated_at!", traceparent AS "traceparent?",
                      coalesce(expires_at <= now(), false) AS "is_expired!" "# + $from
            $(, $argument)*
        )
    };
}

impl TryFrom<Record> for JobRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let person = (!record.person_id.is_empty()).then(|| PersonId::new(record.person_id));
        Ok(Self {
            tenant: TenantId::new(record.tenant_id).map_err(Error::Unreadable)?,
            agent: AgentId::new(record.agent_id).map_err(Error::Unreadable)?,
            job: JobId::from_uuid(record.job_id),
            kind: record.kind,
            modality: record.modality,
            person: person.transpose().map_err(Error::Unreadable)?,
            session: record.session_id.map(SessionId::from_uuid),
            payload: record.payload,
            priority: record.priority,
            pool: record.pool,
            schedule: record.schedule_id.map(JobId::from_uuid),
            state: record.state,
            attempt: record.attempt,
            failures: record.failures,
            due_at: record.due_at,
            expires_at: record.expires_at,
            reason: record.reason,
            result: record.result,
            created_at: record.created_at,
            updated_at: record.updated_at,
            traceparent: record.traceparent,
            is_expired: record.is_expired,
        })
    }
}

fn rows(records: Vec<Record>) -> Result<Vec<JobRow>, Error> {
    records.into_iter().map(JobRow::try_from).collect()
}

impl TenantTransaction {
    /// Keeps these jobs, but for those whose key is known; in their order, what became of each.
    pub async fn insert_jobs(&mut self, jobs: &[NewJob]) -> Result<Vec<Submitted>, Error> {
        let agents: Vec<_> = jobs.iter().map(|job| job.agent.as_str().to_owned()).collect();
        let ids: Vec<_> = jobs.iter().map(|job| job.job.as_uuid()).collect();
        let kinds: Vec<_> = jobs.iter().map(|job| storable(&job.kind)).collect();
        let modalities: Vec<_> = jobs.iter().map(|job| job.modality.to_owned()).collect();
        let people: Vec<_> =
            jobs.iter().map(|job| job.person.as_ref().map_or("", PersonId::as_str).to_owned()).collect();
        let sessions: Vec<_> = jobs.iter().map(|job| job.session.map(|session| session.as_uuid())).collect();
        let payloads: Vec<_> = jobs.iter().map(|job| job.payload.clone()).collect();
        let priorities: Vec<_> = jobs.iter().map(|job| job.priority).collect();
        let pools: Vec<_> = jobs.iter().map(|job| job.pool.to_owned()).collect();
        let keys: Vec<_> = jobs.iter().map(|job| storable(&job.idempotency_key)).collect();
        let schedules: Vec<_> = jobs.iter().map(|job| job.schedule.map(|schedule| schedule.as_uuid())).collect();
        let due: Vec<_> = jobs.iter().map(|job| job.due_at).collect();
        let patience: Vec<_> = jobs.iter().map(|job| job.patience.as_secs_f64()).collect();
        let expiry: Vec<_> = jobs.iter().map(|job| job.expires_at).collect();
        let states: Vec<_> =
            jobs.iter().map(|job| job.states.last().copied().unwrap_or("PENDING").to_owned()).collect();
        let traceparents: Vec<_> = jobs.iter().map(|job| job.traceparent.clone()).collect();
        let inserted = sqlx::query!(
            r#"INSERT INTO jobs.jobs (agent_id, job_id, kind, modality, person_id, session_id, payload, priority, pool,
                                      idempotency_key, schedule_id, due_at, start_by, expires_at, state, traceparent)
               SELECT agent, id, kind, modality, person, session, payload, priority, pool, key, schedule,
                      coalesce(due, now()), coalesce(due, now()) + make_interval(secs => patience), expiry, state,
                      traceparent
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::jsonb[],
                           $8::smallint[], $9::text[], $10::text[], $11::uuid[], $12::timestamptz[], $13::float8[],
                           $14::timestamptz[], $15::text[], $16::text[])
                    AS new (agent, id, kind, modality, person, session, payload, priority, pool, key, schedule, due,
                            patience, expiry, state, traceparent)
               ON CONFLICT (tenant_id, agent_id, kind, idempotency_key) DO NOTHING
               RETURNING job_id"#,
            &agents,
            &ids,
            &kinds,
            &modalities,
            &people,
            &sessions as &[Option<Uuid>],
            &payloads,
            &priorities,
            &pools,
            &keys,
            &schedules as &[Option<Uuid>],
            &due as &[Option<OffsetDateTime>],
            &patience,
            &expiry as &[Option<OffsetDateTime>],
            &states,
            &traceparents as &[Option<String>],
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let is_new = |job: &NewJob| inserted.iter().any(|row| row.job_id == job.job.as_uuid());
        let steps = jobs.iter().filter(|job| is_new(job)).flat_map(|job| {
            job.states.iter().map(|state| NewStep { agent: &job.agent, job: job.job, state, attempt: 0, reason: "" })
        });
        self.insert_steps(steps.collect()).await?;
        let mut submitted = Vec::with_capacity(jobs.len());
        for (job, state) in jobs.iter().zip(states) {
            submitted.push(if is_new(job) {
                Submitted { job: job.job, state, existed: false }
            } else {
                self.submitted_before(job).await?
            });
        }
        Ok(submitted)
    }

    async fn submitted_before(&mut self, job: &NewJob) -> Result<Submitted, Error> {
        let row = sqlx::query!(
            "SELECT job_id, state FROM jobs.jobs WHERE agent_id = $1 AND kind = $2 AND idempotency_key = $3",
            job.agent.as_str(),
            storable(&job.kind),
            storable(&job.idempotency_key),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(Submitted { job: JobId::from_uuid(row.job_id), state: row.state, existed: true })
    }

    /// Makes those of the changes whose job is still as it was seen; returns these jobs.
    pub async fn change_jobs(&mut self, changes: &[JobChange]) -> Result<Vec<JobId>, Error> {
        let ids: Vec<_> = changes.iter().map(|change| change.job.as_uuid()).collect();
        let from: Vec<_> = changes.iter().map(|change| change.from.clone()).collect();
        let from_attempts: Vec<_> = changes.iter().map(|change| change.from_attempt).collect();
        let attempts: Vec<_> = changes.iter().map(|change| change.attempt).collect();
        let forgets: Vec<_> = changes.iter().map(|change| change.forgets_deadline).collect();
        let to: Vec<_> = changes
            .iter()
            .map(|change| change.states.last().map_or(change.from.clone(), |&state| state.to_owned()))
            .collect();
        let failures: Vec<_> = changes.iter().map(|change| change.failures).collect();
        let due_in: Vec<_> = changes.iter().map(|change| change.due_in.map(|delay| delay.as_secs_f64())).collect();
        let reasons: Vec<_> = changes.iter().map(|change| storable(&change.reason)).collect();
        let results: Vec<_> = changes.iter().map(|change| change.result.clone()).collect();
        let changed = sqlx::query!(
            r#"UPDATE jobs.jobs AS job
               SET state = change.state, attempt = change.attempt, failures = change.failures, reason = change.reason,
                   result = coalesce(change.result, job.result), updated_at = now(),
                   worker = CASE WHEN change.state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING') THEN job.worker END,
                   leased_until = CASE WHEN change.state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING')
                                       THEN job.leased_until END,
                   expires_at = CASE WHEN change.forgets THEN NULL ELSE job.expires_at END,
                   start_by = CASE WHEN change.delay IS NULL THEN job.start_by
                                   ELSE now() + make_interval(secs => change.delay) + (job.start_by - job.due_at) END,
                   due_at = CASE WHEN change.delay IS NULL THEN job.due_at
                                 ELSE now() + make_interval(secs => change.delay) END
               FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::integer[], $6::integer[],
                           $7::float8[], $8::boolean[], $9::text[], $10::jsonb[])
                    AS change (job_id, seen, seen_attempt, state, attempt, failures, delay, forgets, reason, result)
               WHERE job.job_id = change.job_id AND job.state = change.seen AND job.attempt = change.seen_attempt
               RETURNING job.job_id, job.agent_id"#,
            &ids,
            &from,
            &from_attempts,
            &to,
            &attempts,
            &failures,
            &due_in as &[Option<f64>],
            &forgets,
            &reasons,
            &results as &[Option<Value>],
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut steps = Vec::new();
        let mut jobs = Vec::with_capacity(changed.len());
        for row in changed {
            let job = JobId::from_uuid(row.job_id);
            let agent = AgentId::new(row.agent_id).map_err(Error::Unreadable)?;
            jobs.push((job, agent));
        }
        for (job, agent) in &jobs {
            for change in changes.iter().filter(|change| change.job == *job) {
                let attempt = change.attempt;
                steps.extend(change.states.iter().map(|state| NewStep {
                    agent,
                    job: *job,
                    state,
                    attempt,
                    reason: &change.reason,
                }));
            }
        }
        self.insert_steps(steps).await?;
        Ok(jobs.into_iter().map(|(job, _)| job).collect())
    }

    async fn insert_steps(&mut self, steps: Vec<NewStep<'_>>) -> Result<(), Error> {
        if steps.is_empty() {
            return Ok(());
        }
        let agents: Vec<_> = steps.iter().map(|step| step.agent.as_str().to_owned()).collect();
        let ids: Vec<_> = steps.iter().map(|step| step.job.as_uuid()).collect();
        let states: Vec<_> = steps.iter().map(|step| step.state.to_owned()).collect();
        let attempts: Vec<_> = steps.iter().map(|step| step.attempt).collect();
        let reasons: Vec<_> = steps.iter().map(|step| storable(step.reason)).collect();
        sqlx::query!(
            "INSERT INTO jobs.steps (agent_id, job_id, state, attempt, reason)
             SELECT agent, id, state, attempt, reason
             FROM unnest($1::text[], $2::uuid[], $3::text[], $4::integer[], $5::text[])
                  WITH ORDINALITY AS step (agent, id, state, attempt, reason, number)
             ORDER BY number",
            &agents,
            &ids,
            &states,
            &attempts,
            &reasons,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Deletes jobs that ended longer ago than `kept`, at most so many at once; how many they were.
    pub async fn forget_ended_jobs(&mut self, agent: &AgentId, kept: Duration, most: u32) -> Result<u64, Error> {
        // What they went through goes with them: see the foreign key.
        let deleted = sqlx::query!(
            "DELETE FROM jobs.jobs
             WHERE job_id IN (SELECT job_id FROM jobs.jobs
                              WHERE agent_id = $1 AND state IN ('COMMITTED', 'ROLLED_BACK')
                                    AND updated_at < now() - make_interval(secs => $2)
                              LIMIT $3)",
            agent.as_str(),
            kept.as_secs_f64(),
            i64::from(most),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(deleted.rows_affected())
    }

    /// A job of this agent; with `person` only if it is theirs.
    pub async fn job(
        &mut self,
        agent: &AgentId,
        person: Option<&PersonId>,
        job: JobId,
    ) -> Result<Option<JobRow>, Error> {
        let record = select_jobs!(
            "FROM jobs.jobs WHERE agent_id = $1 AND job_id = $2 AND ($3::text IS NULL OR person_id = $3)",
            agent.as_str(),
            job.as_uuid(),
            person.map(PersonId::as_str),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        record.map(JobRow::try_from).transpose()
    }

    /// The newest first.
    pub async fn jobs(&mut self, query: &JobQuery<'_>) -> Result<Vec<JobRow>, Error> {
        let records = select_jobs!(
            "FROM jobs.jobs
             WHERE agent_id = $1 AND ($2::text IS NULL OR person_id = $2) AND ($3::text IS NULL OR kind = $3)
                   AND (cardinality($4::text[]) = 0 OR state = ANY ($4)) AND ($5::uuid IS NULL OR session_id = $5)
                   AND created_at < coalesce($6, 'infinity'::timestamptz)
             ORDER BY created_at DESC, job_id DESC
             LIMIT $7",
            query.agent.as_str(),
            query.person.map(PersonId::as_str),
            query.kind,
            query.states,
            query.session.map(|session| session.as_uuid()),
            query.before,
            i64::from(query.limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        rows(records)
    }

    /// Every state that the job was in, in order.
    pub async fn job_steps(&mut self, job: JobId) -> Result<Vec<JobStep>, Error> {
        let steps = sqlx::query_as!(
            JobStep,
            "SELECT state, attempt, reason, at FROM jobs.steps WHERE job_id = $1 ORDER BY step_id",
            job.as_uuid(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(steps)
    }
}

struct NewStep<'a> {
    agent: &'a AgentId,
    job: JobId,
    state: &'a str,
    attempt: i32,
    reason: &'a str,
}

pub(crate) async fn waiting(pool: &PgPool, of: &str, most_per_tenant: u32) -> Result<Vec<WaitingJob>, Error> {
    let rows = sqlx::query!(
        r#"SELECT tenant_id AS "tenant!", job_id AS "job!", start_by AS "start_by!", running AS "running!"
           FROM jobs.waiting($1, $2)"#,
        of,
        i32::try_from(most_per_tenant).unwrap_or(i32::MAX),
    )
    .fetch_all(pool)
    .await?;
    let waiting = rows.into_iter().map(|row| WaitingJob {
        tenant: row.tenant,
        job: JobId::from_uuid(row.job),
        start_by: row.start_by,
        running: row.running,
    });
    Ok(waiting.collect())
}

pub(crate) async fn claim(
    pool: &PgPool,
    jobs: &[(String, JobId)],
    worker: &str,
    lease: Duration,
) -> Result<Vec<JobRow>, Error> {
    let (tenants, ids): (Vec<_>, Vec<_>) = jobs.iter().map(|(tenant, job)| (tenant.clone(), job.as_uuid())).unzip();
    let records = select_jobs!("FROM jobs.claim($1, $2, $3, $4)", &tenants, &ids, worker, interval(lease))
        .fetch_all(pool)
        .await?;
    rows(records)
}

pub(crate) async fn renew(pool: &PgPool, worker: &str, lease: Duration) -> Result<i64, Error> {
    let renewed =
        sqlx::query!(r#"SELECT jobs.renew($1, $2) AS "renewed!""#, worker, interval(lease)).fetch_one(pool).await?;
    Ok(renewed.renewed)
}

pub(crate) async fn overdue(pool: &PgPool, most: u32) -> Result<Vec<JobRow>, Error> {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    rows(select_jobs!("FROM jobs.overdue($1)", most).fetch_all(pool).await?)
}

pub(crate) async fn queues(pool: &PgPool) -> Result<Vec<JobQueue>, Error> {
    let queues = sqlx::query_as!(
        JobQueue,
        r#"SELECT pool AS "pool!", state AS "state!", jobs AS "jobs!", oldest_due_at, now() AS "now!" FROM jobs.queues()"#
    )
    .fetch_all(pool)
    .await?;
    Ok(queues)
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
