//! Facts: what an agent was told to keep in mind of a person.

use aether_proto::{AgentId, PersonId, TurnId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, TenantTransaction};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    pub fact_id: Uuid,
    pub text: String,
    /// The person's words that it rests on; empty where they asked to have it kept.
    pub quote: String,
    pub created_at: OffsetDateTime,
}

impl TenantTransaction {
    /// Keeps a fact, as of now; false when the agent held the very same of this person already. `source` is the turn it comes
    /// from.
    pub async fn insert_fact(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        text: &str,
        source: Option<TurnId>,
    ) -> Result<bool, Error> {
        let held = sqlx::query!(
            "DELETE FROM agents.facts WHERE agent_id = $1 AND person_id = $2 AND md5(text) = md5($3)",
            agent.as_str(),
            person.as_str(),
            storable(text),
        )
        .execute(&mut *self.transaction)
        .await?;
        let inserted = sqlx::query!(
            "INSERT INTO agents.facts (agent_id, person_id, text, source_turn_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, agent_id, person_id, md5(text)) DO NOTHING",
            agent.as_str(),
            person.as_str(),
            storable(text),
            source.map(|turn| turn.as_uuid()),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(held.rows_affected() == 0 && inserted.rows_affected() == 1)
    }

    /// The newest `limit` facts, newest first.
    pub async fn facts(&mut self, agent: &AgentId, person: &PersonId, limit: u32) -> Result<Vec<FactRow>, Error> {
        let rows = sqlx::query_as!(
            FactRow,
            "SELECT fact_id, text, quote, created_at FROM agents.facts
             WHERE agent_id = $1 AND person_id = $2
             ORDER BY created_at DESC, fact_id
             LIMIT $3",
            agent.as_str(),
            person.as_str(),
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// Deletes those of `facts` that are this person's; how many they were.
    pub async fn delete_facts(&mut self, agent: &AgentId, person: &PersonId, facts: &[Uuid]) -> Result<u64, Error> {
        let deleted = sqlx::query!(
            "DELETE FROM agents.facts WHERE agent_id = $1 AND person_id = $2 AND fact_id = ANY ($3)",
            agent.as_str(),
            person.as_str(),
            facts,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(deleted.rows_affected())
    }
}
