use aether_proto::{AgentId, Notification, NotificationId, PersonId, Urgency};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// A notification to keep.
#[derive(Debug, Clone)]
pub struct NewNotification<'a> {
    pub notification: NotificationId,
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    pub source: &'a str,
    /// Of one source and id there is one.
    pub event_id: &'a str,
    pub kind: &'a str,
    pub title: &'a str,
    pub text: &'a str,
    pub url: &'a str,
    /// As in `aether.v1.Urgency`.
    pub urgency: i16,
    pub state: &'a str,
    pub reason: &'a str,
    /// `None`: at once.
    pub due_at: Option<OffsetDateTime>,
    pub expires_at: Option<OffsetDateTime>,
}

/// A notification as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationRow {
    pub notification: NotificationId,
    pub person: PersonId,
    pub source: String,
    pub kind: String,
    pub title: String,
    pub text: String,
    pub url: String,
    pub urgency: i16,
    pub state: String,
    pub reason: String,
    pub due_at: Option<OffsetDateTime>,
    /// Grows each time it is to be told anew.
    pub round: i32,
    pub created_at: OffsetDateTime,
    pub seen_at: Option<OffsetDateTime>,
    pub feedback: Option<String>,
    /// Whether it is not worth telling any more, by the database's clock.
    pub is_expired: bool,
}

impl NotificationRow {
    pub fn urgency(&self) -> Urgency {
        Urgency::try_from(i32::from(self.urgency)).unwrap_or_default()
    }
}

/// What its person is told.
impl From<&NotificationRow> for Notification {
    fn from(row: &NotificationRow) -> Self {
        let created_unix_ms = row.created_at.unix_timestamp_nanos() / 1_000_000;
        Self {
            notification_id: row.notification.to_string(),
            source: row.source.clone(),
            kind: row.kind.clone(),
            title: row.title.clone(),
            text: row.text.clone(),
            url: row.url.clone(),
            urgency: row.urgency().into(),
            reason: row.reason.clone(),
            created_unix_ms: i64::try_from(created_unix_ms).unwrap_or(i64::MAX),
        }
    }
}

/// Which notifications to list, the newest first.
#[derive(Debug, Clone)]
pub struct NotificationQuery<'a> {
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    pub unseen: bool,
    /// Empty: in all.
    pub state: &'a str,
    pub before: Option<NotificationId>,
    pub limit: u32,
}

/// What a decision hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPast {
    /// What was learned about this kind of this source: `now`, `digest` or `never`, and from what.
    pub rule: Option<(String, String)>,
    /// How much the person was told, or is being told.
    pub told: u32,
    /// The same source has said the same.
    pub was_said: bool,
}

struct Record {
    notification_id: Uuid,
    person_id: String,
    source: String,
    kind: String,
    title: String,
    text: String,
    url: String,
    urgency: i16,
    state: String,
    reason: String,
    due_at: Option<OffsetDateTime>,
    round: i32,
    created_at: OffsetDateTime,
    seen_at: Option<OffsetDateTime>,
    feedback: Option<String>,
    is_expired: bool,
}

impl TryFrom<Record> for NotificationRow {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        Ok(Self {
            notification: NotificationId::from_uuid(record.notification_id),
            person: PersonId::new(record.person_id).map_err(Error::Unreadable)?,
            source: record.source,
            kind: record.kind,
            title: record.title,
            text: record.text,
            url: record.url,
            urgency: record.urgency,
            state: record.state,
            reason: record.reason,
            due_at: record.due_at,
            round: record.round,
            created_at: record.created_at,
            seen_at: record.seen_at,
            feedback: record.feedback,
            is_expired: record.is_expired,
        })
    }
}

macro_rules! select_notifications {
    ($rest:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Record,
            r#"SELECT notification_id, person_id, source, kind, title, text, url, urgency, state, reason, due_at, round,
                      created_at, seen_at, feedback, coalesce(expires_at <= now(), false) AS "is_expired!"
               FROM notify.notifications "# + $rest
            $(, $argument)*
        )
    };
}

impl TenantTransaction {
    /// Keeps it, unless there is one of its source and event; that one then, and true.
    pub async fn insert_notification(&mut self, new: &NewNotification<'_>) -> Result<(NotificationRow, bool), Error> {
        let inserted = sqlx::query_as!(
            Record,
            r#"INSERT INTO notify.notifications (agent_id, notification_id, source, event_id, kind, person_id, title, text,
                                               url, urgency, state, reason, due_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (tenant_id, agent_id, source, event_id) DO NOTHING
             RETURNING notification_id, person_id, source, kind, title, text, url, urgency, state, reason, due_at, round,
                       created_at, seen_at, feedback, coalesce(expires_at <= now(), false) AS "is_expired!""#,
            new.agent.as_str(),
            new.notification.as_uuid(),
            storable(new.source),
            storable(new.event_id),
            storable(new.kind),
            new.person.as_str(),
            storable(new.title),
            storable(new.text),
            storable(new.url),
            new.urgency,
            new.state,
            storable(new.reason),
            new.due_at,
            new.expires_at,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if let Some(record) = inserted {
            return Ok((record.try_into()?, false));
        }
        let record = select_notifications!(
            "WHERE agent_id = $1 AND source = $2 AND event_id = $3",
            new.agent.as_str(),
            storable(new.source),
            storable(new.event_id),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok((record.try_into()?, true))
    }

    /// `person`: only one of theirs.
    pub async fn notification(
        &mut self,
        agent: &AgentId,
        person: Option<&PersonId>,
        notification: NotificationId,
    ) -> Result<Option<NotificationRow>, Error> {
        let record = select_notifications!(
            "WHERE agent_id = $1 AND ($2::text IS NULL OR person_id = $2) AND notification_id = $3",
            agent.as_str(),
            person.map(PersonId::as_str),
            notification.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        record.map(NotificationRow::try_from).transpose()
    }

    /// The same, and nobody else changes it until the transaction ends.
    pub async fn lock_notification(
        &mut self,
        agent: &AgentId,
        person: Option<&PersonId>,
        notification: NotificationId,
    ) -> Result<Option<NotificationRow>, Error> {
        let record = select_notifications!(
            "WHERE agent_id = $1 AND ($2::text IS NULL OR person_id = $2) AND notification_id = $3 FOR UPDATE",
            agent.as_str(),
            person.map(PersonId::as_str),
            notification.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        record.map(NotificationRow::try_from).transpose()
    }

    pub async fn notifications(&mut self, query: &NotificationQuery<'_>) -> Result<Vec<NotificationRow>, Error> {
        let records = select_notifications!(
            "WHERE agent_id = $1 AND person_id = $2 AND ($3 = false OR seen_at IS NULL) AND ($4 = '' OR state = $4)
                   AND ($5::uuid IS NULL OR notification_id < $5)
             ORDER BY notification_id DESC
             LIMIT $6",
            query.agent.as_str(),
            query.person.as_str(),
            query.unseen,
            query.state,
            query.before.map(|before| before.as_uuid()),
            i64::from(query.limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        records.into_iter().map(NotificationRow::try_from).collect()
    }

    /// It is in this state from now on, and for this reason.
    pub async fn settle_notification(
        &mut self,
        notification: NotificationId,
        state: &str,
        reason: &str,
        due_at: Option<OffsetDateTime>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE notify.notifications SET state = $2, reason = $3, due_at = $4 WHERE notification_id = $1",
            notification.as_uuid(),
            state,
            storable(reason),
            due_at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// It is told anew at `due_at`, as if nobody had seen it; the number of the new round.
    pub async fn renew_notification(
        &mut self,
        notification: NotificationId,
        reason: &str,
        due_at: OffsetDateTime,
    ) -> Result<i32, Error> {
        let row = sqlx::query!(
            "UPDATE notify.notifications
             SET state = 'waiting', reason = $2, due_at = $3, round = round + 1, seen_at = NULL
             WHERE notification_id = $1
             RETURNING round",
            notification.as_uuid(),
            storable(reason),
            due_at,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(row.round)
    }

    /// `feedback`: `engaged`, `dismissed` or `muted`; without one it was only seen.
    pub async fn see_notification(
        &mut self,
        notification: NotificationId,
        feedback: Option<&str>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE notify.notifications
             SET seen_at = coalesce(seen_at, now()), feedback = coalesce($2, feedback),
                 feedback_at = CASE WHEN $2::text IS NULL THEN feedback_at ELSE now() END
             WHERE notification_id = $1",
            notification.as_uuid(),
            feedback,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// What the person last did with what this source told of this kind, the newest first, since they last had a rule about
    /// it forgotten.
    pub async fn feedback(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        source: &str,
        kind: &str,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let rows = sqlx::query!(
            r#"SELECT feedback AS "feedback!"
               FROM notify.notifications
               WHERE agent_id = $1 AND person_id = $2 AND source = $3 AND kind = $4 AND feedback IS NOT NULL
                     AND feedback_at > coalesce((SELECT rule.forgotten_at FROM notify.rules AS rule
                                                 WHERE rule.agent_id = $1 AND rule.person_id = $2 AND rule.source = $3
                                                       AND rule.kind = $4), '-infinity')
               ORDER BY feedback_at DESC
               LIMIT $5"#,
            agent.as_str(),
            person.as_str(),
            source,
            kind,
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| row.feedback).collect())
    }

    /// What a decision about a new one hangs on, in one look. `told_since`, `said_since`: how far back it looks.
    pub async fn notification_past(
        &mut self,
        new: &NewNotification<'_>,
        told_since: OffsetDateTime,
        said_since: OffsetDateTime,
    ) -> Result<NotificationPast, Error> {
        let row = sqlx::query!(
            r#"SELECT rule.decision AS "decision?", rule.reason AS "reason?",
                      (SELECT count(*) FROM notify.notifications
                       WHERE agent_id = $1 AND person_id = $2 AND created_at >= $7
                             AND state IN ('delivering', 'delivered')) AS "told!",
                      EXISTS (SELECT FROM notify.notifications
                              WHERE agent_id = $1 AND person_id = $2 AND source = $3 AND kind = $4 AND title = $5
                                    AND text = $6 AND created_at >= $8) AS "said!"
               FROM (VALUES (1)) AS one (row)
               LEFT JOIN notify.rules AS rule
                   ON rule.agent_id = $1 AND rule.person_id = $2 AND rule.source = $3 AND rule.kind = $4
                      AND rule.forgotten_at IS NULL"#,
            new.agent.as_str(),
            new.person.as_str(),
            storable(new.source),
            storable(new.kind),
            storable(new.title),
            storable(new.text),
            told_since,
            said_since,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(NotificationPast {
            rule: row.decision.zip(row.reason),
            told: u32::try_from(row.told).unwrap_or(u32::MAX),
            was_said: row.said,
        })
    }

    /// How much the person was told, or is being told, since then.
    pub async fn told_since(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        since: OffsetDateTime,
    ) -> Result<u32, Error> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "told!" FROM notify.notifications
               WHERE agent_id = $1 AND person_id = $2 AND created_at >= $3 AND state IN ('delivering', 'delivered')"#,
            agent.as_str(),
            person.as_str(),
            since,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(u32::try_from(row.told).unwrap_or(u32::MAX))
    }
}
