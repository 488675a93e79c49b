//! Memories: what a person said, found again by meaning.

use aether_proto::{AgentId, PersonId, TurnId};
use time::OffsetDateTime;

use crate::text::storable;
use crate::{Embedding, Error, TenantTransaction, heard_part};

/// Words to remember of one turn, which must have its row already.
#[derive(Debug, Clone)]
pub struct NewMemory<'a> {
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    pub turn: TurnId,
    pub text: &'a str,
    pub model: &'a str,
    pub embedding: &'a Embedding,
}

/// Whose memories are searched, and for what.
#[derive(Debug, Clone)]
pub struct MemorySearch<'a> {
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    /// Only memories embedded by this model are comparable.
    pub model: &'a str,
    pub embedding: &'a Embedding,
    /// Turns that are in the prompt anyway.
    pub except: &'a [TurnId],
    pub limit: u32,
}

/// What somebody said, of which this model has made no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unremembered {
    pub turn: TurnId,
    pub person: String,
    pub words: String,
}

/// A memory and how near it is to what was searched.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryMatch {
    pub turn: TurnId,
    pub person_name: String,
    pub text: String,
    /// What the person heard in answer.
    pub answer: String,
    pub created_at: OffsetDateTime,
    /// Cosine: 1 means the same, 0 unrelated.
    pub similarity: f32,
}

impl TenantTransaction {
    /// Keeps one memory per turn and model; false when it was there already.
    pub async fn insert_memory(&mut self, memory: &NewMemory<'_>) -> Result<bool, Error> {
        let inserted = sqlx::query!(
            "INSERT INTO agents.memories (agent_id, person_id, turn_id, text, embedding_model, embedding, created_at)
             SELECT $1, $2, turn_id, $4, $5, ($6::real[])::vector, started_at FROM agents.turns WHERE turn_id = $3
             ON CONFLICT (tenant_id, turn_id, embedding_model) DO NOTHING",
            memory.agent.as_str(),
            memory.person.as_str(),
            memory.turn.as_uuid(),
            storable(memory.text),
            memory.model,
            memory.embedding.as_slice(),
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The newest `limit` turns of which this model has made no memory.
    pub async fn unremembered(&mut self, agent: &AgentId, model: &str, limit: u32) -> Result<Vec<Unremembered>, Error> {
        let rows = sqlx::query!(
            r"SELECT turn_id, person_id, words FROM agents.turns
              WHERE agent_id = $1 AND person_id <> '' AND words ~ '\S'
                    AND NOT EXISTS (SELECT FROM agents.memories
                                    WHERE memories.turn_id = turns.turn_id AND embedding_model = $2)
              ORDER BY started_at DESC, turn_id DESC
              LIMIT $3",
            agent.as_str(),
            model,
            i64::from(limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let turns = rows.into_iter().map(|row| Unremembered {
            turn: TurnId::from_uuid(row.turn_id),
            person: row.person_id,
            words: row.words,
        });
        Ok(turns.collect())
    }

    /// How many turns there are of which this model has made no memory.
    pub async fn count_unremembered(&mut self, agent: &AgentId, model: &str) -> Result<u64, Error> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "left!" FROM agents.turns
               WHERE agent_id = $1 AND person_id <> '' AND words ~ '\S'
                     AND NOT EXISTS (SELECT FROM agents.memories
                                     WHERE memories.turn_id = turns.turn_id AND embedding_model = $2)"#,
            agent.as_str(),
            model,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(u64::try_from(row.left).unwrap_or_default())
    }

    /// The memories nearest to `search.embedding`, nearest first.
    pub async fn search_memories(&mut self, search: &MemorySearch<'_>) -> Result<Vec<MemoryMatch>, Error> {
        let except: Vec<_> = search.except.iter().map(TurnId::as_uuid).collect();
        let rows = sqlx::query!(
            r#"SELECT memories.turn_id, memories.text, memories.created_at,
                      turns.person_name, turns.answer, turns.heard_bytes, turns.modality,
                      1 - (memories.embedding <=> ($4::real[])::vector) AS "similarity!"
               FROM agents.memories JOIN agents.turns USING (tenant_id, turn_id)
               WHERE memories.agent_id = $1 AND memories.person_id = $2 AND memories.embedding_model = $3
                     AND memories.turn_id <> ALL ($5)
               ORDER BY memories.embedding <=> ($4::real[])::vector
               LIMIT $6"#,
            search.agent.as_str(),
            search.person.as_str(),
            search.model,
            search.embedding.as_slice(),
            &except,
            i64::from(search.limit),
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        #[expect(clippy::cast_possible_truncation, reason = "a cosine; its last digits carry nothing")]
        let matches = rows.into_iter().map(|row| MemoryMatch {
            turn: TurnId::from_uuid(row.turn_id),
            answer: heard_part(&row.answer, row.heard_bytes, &row.modality).to_owned(),
            person_name: row.person_name,
            text: row.text,
            created_at: row.created_at,
            similarity: row.similarity as f32,
        });
        Ok(matches.collect())
    }
}
