//! What is done again and again: a plan, of which each run is a job.

use aether_proto::{AgentId, JobId, PersonId, SessionId, TenantId};
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, Submitted, TenantTransaction};

/// A schedule to keep.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    pub schedule: JobId,
    pub agent: AgentId,
    pub kind: String,
    /// `voice` or `text`.
    pub modality: &'static str,
    pub person: Option<PersonId>,
    pub session: Option<SessionId>,
    pub payload: Value,
    /// 0 to 3.
    pub priority: i16,
    pub idempotency_key: String,
    pub cron: String,
    pub time_zone: String,
    /// `run_once` or `skip`.
    pub missed: &'static str,
    pub next_at: OffsetDateTime,
}

/// A schedule as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub schedule: JobId,
    pub kind: String,
    pub modality: String,
    pub person: Option<PersonId>,
    pub session: Option<SessionId>,
    pub payload: Value,
    pub priority: i16,
    pub cron: String,
    pub time_zone: String,
    pub missed: String,
    /// `None`: it has ended.
    pub next_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    /// By the database's clock.
    pub now: OffsetDateTime,
}

struct Record {
    tenant_id: String,
    agent_id: String,
    schedule_id: Uuid,
    kind: String,
    modality: String,
    person_id: String,
    session_id: Option<Uuid>,
    payload: Value,
    priority: i16,
    cron: String,
    time_zone: String,
    missed: String,
    next_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    now: OffsetDateTime,
}

macro_rules! select_schedules {
    ($from:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Record,
            r#"SELECT tenant_id AS "tenant_id!", agent_id AS "agent_id!", schedule_id AS "schedule_id!", kind AS "kind!",
                      modality AS "modality!", person_id AS "person_id!", session_id AS "session_id?",
                      payload AS "payload!", priority AS "priority!", cron AS "cron!", time_zone AS "time_zone!",
                      missed AS "missed!", next_at AS "next_at?", created_at AS "created_at!", now() AS "now!" "# + $from
            $(, $argument)*
        )
    };
}

impl TryFrom<Record> for ScheduleRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let person = (!record.person_id.is_empty()).then(|| PersonId::new(record.person_id));
        Ok(Self {
            tenant: TenantId::new(record.tenant_id).map_err(Error::Unreadable)?,
            agent: AgentId::new(record.agent_id).map_err(Error::Unreadable)?,
            schedule: JobId::from_uuid(record.schedule_id),
            kind: record.kind,
            modality: record.modality,
            person: person.transpose().map_err(Error::Unreadable)?,
            session: record.session_id.map(SessionId::from_uuid),
            payload: record.payload,
            priority: record.priority,
            cron: record.cron,
            time_zone: record.time_zone,
            missed: record.missed,
            next_at: record.next_at,
            created_at: record.created_at,
            now: record.now,
        })
    }
}

impl TenantTransaction {
    /// By the database's clock, which all schedules are planned by.
    pub async fn now(&mut self) -> Result<OffsetDateTime, Error> {
        let row = sqlx::query!(r#"SELECT now() AS "now!""#).fetch_one(&mut *self.transaction).await?;
        Ok(row.now)
    }

    pub async fn insert_schedule(&mut self, new: &NewSchedule) -> Result<Submitted, Error> {
        let inserted = sqlx::query!(
            "INSERT INTO jobs.schedules (agent_id, schedule_id, kind, modality, person_id, session_id, payload, priority,
                                         idempotency_key, cron, time_zone, missed, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (tenant_id, agent_id, kind, idempotency_key) DO NOTHING",
            new.agent.as_str(),
            new.schedule.as_uuid(),
            storable(&new.kind),
            new.modality,
            new.person.as_ref().map_or("", PersonId::as_str),
            new.session.map(|session| session.as_uuid()),
            new.payload,
            new.priority,
            storable(&new.idempotency_key),
            new.cron,
            new.time_zone,
            new.missed,
            new.next_at,
        )
        .execute(&mut *self.transaction)
        .await?;
        let row = sqlx::query!(
            "SELECT schedule_id FROM jobs.schedules WHERE agent_id = $1 AND kind = $2 AND idempotency_key = $3",
            new.agent.as_str(),
            storable(&new.kind),
            storable(&new.idempotency_key),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        let existed = inserted.rows_affected() == 0;
        Ok(Submitted { job: JobId::from_uuid(row.schedule_id), state: "SCHEDULED".to_owned(), existed })
    }

    /// Moves a schedule on from the run planned at `from`; false if somebody else did before.
    pub async fn advance_schedule(
        &mut self,
        schedule: JobId,
        from: OffsetDateTime,
        to: Option<OffsetDateTime>,
    ) -> Result<bool, Error> {
        let advanced = sqlx::query!(
            "UPDATE jobs.schedules SET next_at = $3 WHERE schedule_id = $1 AND next_at = $2",
            schedule.as_uuid(),
            from,
            to,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(advanced.rows_affected() == 1)
    }

    /// It runs no more; false if there is none, it is another person's, or it had ended before.
    pub async fn end_schedule(
        &mut self,
        agent: &AgentId,
        person: Option<&PersonId>,
        schedule: JobId,
    ) -> Result<bool, Error> {
        let ended = sqlx::query!(
            "UPDATE jobs.schedules SET next_at = NULL
             WHERE agent_id = $1 AND schedule_id = $2 AND ($3::text IS NULL OR person_id = $3) AND next_at IS NOT NULL",
            agent.as_str(),
            schedule.as_uuid(),
            person.map(PersonId::as_str),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Those that have not ended, the next to run first.
    pub async fn schedules(
        &mut self,
        agent: &AgentId,
        person: Option<&PersonId>,
        kind: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ScheduleRow>, Error> {
        let records = select_schedules!(
            "FROM jobs.schedules
             WHERE agent_id = $1 AND ($2::text IS NULL OR person_id = $2) AND ($3::text IS NULL OR kind = $3)
                   AND next_at IS NOT NULL
             ORDER BY next_at, schedule_id
             LIMIT $4",
            agent.as_str(),
            person.map(PersonId::as_str),
            kind,
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        records.into_iter().map(ScheduleRow::try_from).collect()
    }
}

pub(crate) async fn due(pool: &PgPool, most: u32) -> Result<Vec<ScheduleRow>, Error> {
    let records = select_schedules!("FROM jobs.due_schedules($1)", i32::try_from(most).unwrap_or(i32::MAX))
        .fetch_all(pool)
        .await?;
    records.into_iter().map(ScheduleRow::try_from).collect()
}
