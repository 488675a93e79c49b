use aether_proto::{AgentId, PersonId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// What was learned from a person's feedback about one kind of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRow {
    pub rule: Uuid,
    pub source: String,
    pub kind: String,
    /// `now`, `digest` or `never`.
    pub decision: String,
    /// What they did, for them to read.
    pub reason: String,
    pub learned_at: OffsetDateTime,
}

impl TenantTransaction {
    /// Takes the place of an earlier rule about the same.
    pub async fn learn_rule(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        source: &str,
        kind: &str,
        decision: &str,
        reason: &str,
    ) -> Result<RuleRow, Error> {
        let row = sqlx::query_as!(
            RuleRow,
            "INSERT INTO notify.rules (agent_id, rule_id, person_id, source, kind, decision, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, agent_id, person_id, source, kind) DO UPDATE
             SET decision = excluded.decision, reason = excluded.reason, learned_at = now(), forgotten_at = NULL
             RETURNING rule_id AS rule, source, kind, decision, reason, learned_at",
            agent.as_str(),
            Uuid::now_v7(),
            person.as_str(),
            storable(source),
            storable(kind),
            decision,
            storable(reason),
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(row)
    }

    /// The rule about this kind of this source.
    pub async fn rule(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        source: &str,
        kind: &str,
    ) -> Result<Option<RuleRow>, Error> {
        let row = sqlx::query_as!(
            RuleRow,
            "SELECT rule_id AS rule, source, kind, decision, reason, learned_at FROM notify.rules
             WHERE agent_id = $1 AND person_id = $2 AND source = $3 AND kind = $4 AND forgotten_at IS NULL",
            agent.as_str(),
            person.as_str(),
            storable(source),
            storable(kind),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row)
    }

    pub async fn rules(&mut self, agent: &AgentId, person: &PersonId) -> Result<Vec<RuleRow>, Error> {
        let rows = sqlx::query_as!(
            RuleRow,
            "SELECT rule_id AS rule, source, kind, decision, reason, learned_at FROM notify.rules
             WHERE agent_id = $1 AND person_id = $2 AND forgotten_at IS NULL ORDER BY learned_at DESC",
            agent.as_str(),
            person.as_str(),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }

    /// What led to it teaches nothing more. False: there is no such rule.
    pub async fn forget_rule(&mut self, agent: &AgentId, person: &PersonId, rule: Uuid) -> Result<bool, Error> {
        let forgotten = sqlx::query!(
            "UPDATE notify.rules SET forgotten_at = now()
             WHERE agent_id = $1 AND person_id = $2 AND rule_id = $3 AND forgotten_at IS NULL",
            agent.as_str(),
            person.as_str(),
            rule,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(forgotten.rows_affected() == 1)
    }
}
