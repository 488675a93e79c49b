//! What is found in turns that are over: from which there is something to learn, what was learned, and that each is learned
//! from once.

use aether_proto::{AgentId, PersonId, SessionId, TurnId};

use crate::text::storable;
use crate::{Error, TenantTransaction};

/// A turn in which a person said something and which is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedTurn {
    pub turn: TurnId,
    pub session: SessionId,
    pub person: PersonId,
}

/// A fact and what of a turn's words it rests on.
#[derive(Debug, Clone)]
pub struct NewQuotedFact<'a> {
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    pub turn: TurnId,
    pub text: &'a str,
    pub quote: &'a str,
}

impl TenantTransaction {
    /// The turn, if it is over and somebody said something in it.
    pub async fn finished_turn(&mut self, agent: &AgentId, turn: TurnId) -> Result<Option<FinishedTurn>, Error> {
        let row = sqlx::query!(
            "SELECT session_id, person_id FROM agents.turns
             WHERE agent_id = $1 AND turn_id = $2 AND status <> 'open' AND words <> '' AND person_id <> ''",
            agent.as_str(),
            turn.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.and_then(|row| finished(turn, row.session_id, row.person_id)))
    }

    /// Turns of the last week that nobody has learned from, nor has a job to: the newest first. One that is this young may
    /// still be about to get its job.
    pub async fn missed_turns(&mut self, agent: &AgentId, limit: u32) -> Result<Vec<FinishedTurn>, Error> {
        let rows = sqlx::query!(
            "SELECT turn_id, session_id, person_id FROM agents.turns
             WHERE agent_id = $1 AND words <> '' AND person_id <> ''
                   AND started_at > now() - interval '7 days'
                   AND coalesce(ended_at, started_at) < now() - interval '10 minutes'
                   AND NOT EXISTS (SELECT FROM agents.learned_turns WHERE learned_turns.turn_id = turns.turn_id)
                   AND NOT EXISTS (SELECT FROM jobs.jobs
                                   WHERE jobs.agent_id = $1 AND kind = 'fact_extraction'
                                         AND idempotency_key = turns.turn_id::text)
             ORDER BY started_at DESC, turn_id DESC
             LIMIT $2",
            agent.as_str(),
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let turns = rows.into_iter();
        Ok(turns.filter_map(|row| finished(TurnId::from_uuid(row.turn_id), row.session_id, row.person_id)).collect())
    }

    /// What this person said in this turn, while something may still be learned from it. `None`: nothing may, or there is no
    /// such turn.
    pub async fn words_to_learn_from(
        &mut self,
        agent: &AgentId,
        person: &PersonId,
        turn: TurnId,
    ) -> Result<Option<String>, Error> {
        let row = sqlx::query!(
            "SELECT words FROM agents.turns
             WHERE agent_id = $1 AND person_id = $2 AND turn_id = $3
                   AND NOT EXISTS (SELECT FROM agents.learned_turns WHERE learned_turns.turn_id = turns.turn_id)",
            agent.as_str(),
            person.as_str(),
            turn.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(|row| row.words))
    }

    /// Closes the turn: whoever gets true may write what was learned from it, in this transaction; nobody else may, ever. False
    /// also if the turn is gone. Its row can't go before the end of the transaction.
    pub async fn learn_from(&mut self, agent: &AgentId, person: &PersonId, turn: TurnId) -> Result<bool, Error> {
        // The mark before the row, as `learn_no_more` is followed by a deletion of rows: in another order the two could wait for
        // each other.
        let closed = sqlx::query!(
            "INSERT INTO agents.learned_turns (agent_id, turn_id) VALUES ($1, $2)
             ON CONFLICT (tenant_id, turn_id) DO NOTHING",
            agent.as_str(),
            turn.as_uuid(),
        )
        .execute(&mut *self.transaction)
        .await?;
        if closed.rows_affected() == 0 {
            return Ok(false);
        }
        let held = sqlx::query!(
            "SELECT turn_id FROM agents.turns WHERE agent_id = $1 AND person_id = $2 AND turn_id = $3 FOR SHARE",
            agent.as_str(),
            person.as_str(),
            turn.as_uuid(),
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(held.is_some())
    }

    /// Closes all turns of a person so far, and `also` those named, which may have no row yet: nothing more is learned from
    /// them.
    pub async fn learn_no_more(&mut self, agent: &AgentId, person: &PersonId, also: &[TurnId]) -> Result<(), Error> {
        let also: Vec<_> = also.iter().map(TurnId::as_uuid).collect();
        sqlx::query!(
            "INSERT INTO agents.learned_turns (agent_id, turn_id)
             SELECT $1, turn_id FROM agents.turns WHERE agent_id = $1 AND person_id = $2
             UNION SELECT $1, turn_id FROM unnest($3::uuid[]) AS named (turn_id)
             ORDER BY turn_id
             ON CONFLICT (tenant_id, turn_id) DO NOTHING",
            agent.as_str(),
            person.as_str(),
            &also,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// False when the agent holds the very same of this person already.
    pub async fn insert_quoted_fact(&mut self, fact: &NewQuotedFact<'_>) -> Result<bool, Error> {
        let inserted = sqlx::query!(
            "INSERT INTO agents.facts (agent_id, person_id, text, quote, source_turn_id) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, agent_id, person_id, md5(text)) DO NOTHING",
            fact.agent.as_str(),
            fact.person.as_str(),
            storable(fact.text),
            storable(fact.quote),
            fact.turn.as_uuid(),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }
}

/// A turn of somebody whose id is none is nobody's.
fn finished(turn: TurnId, session: uuid::Uuid, person: String) -> Option<FinishedTurn> {
    Some(FinishedTurn { turn, session: SessionId::from_uuid(session), person: PersonId::new(person).ok()? })
}
