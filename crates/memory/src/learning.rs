//! Learning: what was found in a turn becomes facts, once, and never again after something was to be forgotten.

use aether_proto::{AgentId, PersonId, TenantId, TurnId};
use aether_store::NewQuotedFact;

use crate::evidence::{judge, says_the_same};
use crate::memory::MAX_FACTS;
use crate::{Dropped, EmbedError, Memory, Statement};

/// What became of statements about one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    Kept {
        kept: u32,
        /// Of the others, in their order.
        dropped: Vec<Dropped>,
    },
    /// The turn is gone, was learned from before, or its person has asked to have something forgotten since.
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    #[error(transparent)]
    Store(#[from] aether_store::Error),
    #[error("can't compare with what is known")]
    Embed(#[from] EmbedError),
}

impl Memory {
    /// Keeps those of `statements` that hold, as facts about the person who said them in `turn`; the turn is closed by that. The
    /// caller sets the deadline.
    pub async fn learn(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        person: &PersonId,
        turn: TurnId,
        statements: Vec<Statement>,
    ) -> Result<Learned, LearnError> {
        let mut transaction = self.store.tenant(tenant).await?;
        let Some(said) = transaction.words_to_learn_from(agent, person, turn).await? else {
            return Ok(Learned::Closed);
        };
        let known = transaction.facts(agent, person, MAX_FACTS).await?;
        // Nothing is held while the sentence model computes.
        drop(transaction);
        let mut dropped = Vec::new();
        let mut holding = Vec::new();
        for statement in statements {
            match judge(&statement, &said) {
                Ok(()) => holding.push(statement),
                Err(reason) => dropped.push(reason),
            }
        }
        let known = known.into_iter().map(|row| row.text).collect();
        let new = self.unknown(holding, known, &mut dropped).await?;

        let mut transaction = self.store.tenant(tenant).await?;
        if !transaction.learn_from(agent, person, turn).await? {
            return Ok(Learned::Closed);
        }
        let mut kept = 0;
        for Statement { text, quote } in &new {
            match transaction.insert_quoted_fact(&NewQuotedFact { agent, person, turn, text, quote }).await? {
                true => kept += 1,
                false => dropped.push(Dropped::Known),
            }
        }
        transaction.commit().await?;
        Ok(Learned::Kept { kept, dropped })
    }

    /// Those that nothing known says, nor one before them.
    async fn unknown(
        &self,
        statements: Vec<Statement>,
        mut known: Vec<String>,
        dropped: &mut Vec<Dropped>,
    ) -> Result<Vec<Statement>, EmbedError> {
        if statements.is_empty() {
            return Ok(statements);
        }
        let texts: Vec<_> = known.iter().chain(statements.iter().map(|statement| &statement.text)).collect();
        let texts: Vec<_> = texts.into_iter().map(String::as_str).collect();
        let mut vectors = self.facts.of(&self.embedder, &texts).await?;
        let new_vectors = vectors.split_off(known.len());
        let mut new = Vec::new();
        for (statement, vector) in statements.into_iter().zip(new_vectors) {
            let is_known = known
                .iter()
                .zip(&vectors)
                .any(|(text, other)| says_the_same(text, &statement.text, vector.similarity(other)));
            if is_known {
                dropped.push(Dropped::Known);
                continue;
            }
            known.push(statement.text.clone());
            vectors.push(vector);
            new.push(statement);
        }
        Ok(new)
    }
}
