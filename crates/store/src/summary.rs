//! What a session was about, told once it has gone quiet.

use aether_proto::{AgentId, SessionId, TurnId};

use crate::text::storable;
use crate::{Error, TenantTransaction};

#[derive(Debug, Clone)]
pub struct NewSummary<'a> {
    pub agent: &'a AgentId,
    pub session: SessionId,
    /// What it tells of, oldest first.
    pub turns: &'a [TurnId],
    pub title: &'a str,
    pub summary: &'a str,
}

impl TenantTransaction {
    /// Whether the turn is there and none of the session came after it.
    pub async fn is_last_turn(&mut self, agent: &AgentId, session: SessionId, turn: TurnId) -> Result<bool, Error> {
        let last = sqlx::query!(
            "SELECT turn_id FROM agents.turns WHERE agent_id = $1 AND session_id = $2
             ORDER BY started_at DESC, turn_id DESC LIMIT 1",
            agent.as_str(),
            session.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(last.is_some_and(|last| last.turn_id == turn.as_uuid()))
    }

    /// False, and nothing is written, if a turn that it tells of is gone or another has come after them.
    pub async fn summarise_session(&mut self, new: &NewSummary<'_>) -> Result<bool, Error> {
        // Whoever forgets a turn empties the summary afterwards and waits here until this one is there.
        let held = sqlx::query!(
            "SELECT session_id FROM agents.sessions WHERE agent_id = $1 AND session_id = $2 FOR NO KEY UPDATE",
            new.agent.as_str(),
            new.session.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(last) = new.turns.last().filter(|_| held.is_some()) else { return Ok(false) };
        if !self.is_last_turn(new.agent, new.session, *last).await? {
            return Ok(false);
        }
        let turns: Vec<_> = new.turns.iter().map(TurnId::as_uuid).collect();
        let written = sqlx::query!(
            "UPDATE agents.sessions SET title = $3, summary = $4
             WHERE session_id = $1
                   AND (SELECT count(*) FROM agents.turns
                        WHERE turns.session_id = $1 AND turn_id = ANY ($2)) = cardinality($2::uuid[])",
            new.session.as_uuid(),
            &turns,
            storable(new.title),
            storable(new.summary),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(written.rows_affected() == 1)
    }
}
