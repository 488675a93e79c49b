//! Memories of what was said while there was no sentence model, or another one.

use aether_proto::{AgentId, PersonId, TenantId};
use aether_store::NewMemory;

use crate::{LearnError, Memory};

/// What one go has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfilled {
    pub made: u32,
    /// Turns that still have no memory.
    pub left: u64,
}

impl Memory {
    /// Makes at most `limit` memories, of the newest turns that have none by this model. The caller sets the deadline.
    pub async fn backfill(&self, tenant: &TenantId, agent: &AgentId, limit: u32) -> Result<Backfilled, LearnError> {
        let model = self.embedder.model_id();
        let mut transaction = self.store.tenant(tenant).await?;
        let turns = transaction.unremembered(agent, model, limit).await?;
        // Nothing is held while the sentence model computes.
        drop(transaction);
        let vectors = self.embedder.embed(turns.iter().map(|turn| turn.words.clone()).collect()).await?;
        let mut transaction = self.store.tenant(tenant).await?;
        let mut made = 0;
        for (said, embedding) in turns.iter().zip(&vectors) {
            let Ok(person) = PersonId::new(said.person.clone()) else { continue };
            // One that was forgotten meanwhile has no row to make a memory from.
            let memory = NewMemory { agent, person: &person, turn: said.turn, text: &said.words, model, embedding };
            made += u32::from(transaction.insert_memory(&memory).await?);
        }
        let left = transaction.count_unremembered(agent, model).await?;
        transaction.commit().await?;
        Ok(Backfilled { made, left })
    }
}
