use aether_proto::{AgentId, PersonId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// Where a person can be told beside room and page.
#[derive(Debug, Clone)]
pub struct NewTarget<'a> {
    /// `push`, `email` or `webhook`.
    pub channel: &'a str,
    pub address: &'a str,
    pub push_key: &'a str,
    pub push_auth: &'a str,
    pub least_urgency: i16,
}

#[derive(Clone, PartialEq, Eq)]
pub struct TargetRow {
    pub target: Uuid,
    pub channel: String,
    pub address: String,
    pub push_key: String,
    pub push_auth: String,
    pub least_urgency: i16,
    /// Why it will never work again.
    pub broken: Option<String>,
    pub created_at: OffsetDateTime,
}

impl TenantTransaction {
    /// One that is known works again, and under its old id.
    pub async fn upsert_target(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        new: &NewTarget<'_>,
    ) -> Result<Uuid, Error> {
        let row = sqlx::query!(
            "INSERT INTO notify.targets (agent_id, target_id, person_id, channel, address, push_key, push_auth,
                                         least_urgency)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (tenant_id, agent_id, person_id, channel, address) DO UPDATE
             SET push_key = excluded.push_key, push_auth = excluded.push_auth, least_urgency = excluded.least_urgency,
                 broken = NULL
             RETURNING target_id",
            agent.as_str(),
            Uuid::now_v7(),
            person.as_str(),
            new.channel,
            storable(new.address),
            storable(new.push_key),
            storable(new.push_auth),
            new.least_urgency,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(row.target_id)
    }

    pub async fn targets(&mut self, agent: &AgentId, person: &PersonId) -> Result<Vec<TargetRow>, Error> {
        let rows = sqlx::query_as!(
            TargetRow,
            "SELECT target_id AS target, channel, address, push_key, push_auth, least_urgency, broken, created_at
             FROM notify.targets WHERE agent_id = $1 AND person_id = $2 ORDER BY created_at, target_id",
            agent.as_str(),
            person.as_str(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// False: there is none.
    pub async fn delete_target(&mut self, agent: &AgentId, person: &PersonId, target: Uuid) -> Result<bool, Error> {
        let deleted = sqlx::query!(
            "DELETE FROM notify.targets WHERE agent_id = $1 AND person_id = $2 AND target_id = $3",
            agent.as_str(),
            person.as_str(),
            target,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(deleted.rows_affected() == 1)
    }

    /// It is not tried again until the person adds it anew.
    pub async fn break_target(&mut self, target: Uuid, reason: &str) -> Result<(), Error> {
        sqlx::query!("UPDATE notify.targets SET broken = $2 WHERE target_id = $1", target, storable(reason))
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
