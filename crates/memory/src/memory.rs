//! Remembering and recalling.

use std::time::{Duration, Instant};

use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, ErrorCode, PersonId, TenantId, TurnId, TurnLogEntry, UserCommitted};
use aether_store::{Applied, ApplyError, MemorySearch, NewMemory, Store};
use aether_telemetry::metric;
use tracing::debug;

use crate::recollection::choose;
use crate::{EmbedError, Embedder, Recollection};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Memories in a prompt.
    pub limit: u32,
    /// Cosine below which a memory has nothing to do with the question; MiniLM puts unrelated sentences around 0.1.
    pub minimum_similarity: f32,
    /// For embedding and search together. A person waits for the answer meanwhile.
    pub recall_deadline: Duration,
    /// For one entry of the turn log. Nobody waits, but a database that says nothing must not stop the log for ever.
    pub remember_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limit: 5,
            minimum_similarity: 0.2,
            recall_deadline: Duration::from_millis(400),
            remember_deadline: Duration::from_secs(10),
        }
    }
}

/// Whose memories are asked for, and about what.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub tenant: &'a TenantId,
    pub agent: &'a AgentId,
    pub person: &'a PersonId,
    pub words: &'a str,
    /// Turns that are in the prompt anyway: the current one and the history shown.
    pub except: &'a [TurnId],
}

/// Why nothing came to mind. The turn goes on without.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    #[error("recalling took longer than {0:?}")]
    Deadline(Duration),
    #[error("can't embed the question")]
    Embed(#[from] EmbedError),
    #[error("can't search the memories")]
    Store(#[from] aether_store::Error),
}

impl RecallError {
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Deadline(_) => ErrorCode::DeadlineExceeded,
            Self::Embed(EmbedError::Overloaded) => ErrorCode::Overloaded,
            Self::Embed(_) => ErrorCode::Internal,
            Self::Store(error) => error.code(),
        }
    }
}

/// Why an entry of the turn log is not, or not wholly, in the store yet. Unless it is malformed, deliver it again later.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The same entry fails the same way for ever: drop it.
    #[error(transparent)]
    Malformed(ApplyError),
    #[error("remembering took longer than {0:?}")]
    Deadline(Duration),
    #[error(transparent)]
    Store(#[from] aether_store::Error),
    /// The rows of the turn are written, only its memory is missing.
    #[error("can't embed what was said")]
    Embed(#[from] EmbedError),
}

impl From<ApplyError> for RememberError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Store(error) => Self::Store(error),
            malformed @ ApplyError::Malformed(_) => Self::Malformed(malformed),
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    options: Options,
    store: Store,
    embedder: Embedder,
}

impl Memory {
    pub const fn new(options: Options, store: Store, embedder: Embedder) -> Self {
        Self { options, store, embedder }
    }

    pub const fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// What matters for these words, within the deadline. Blank words recall nothing.
    pub async fn recall(&self, question: &Question<'_>) -> Result<Recollection, RecallError> {
        if question.words.trim().is_empty() {
            return Ok(Recollection::default());
        }
        let deadline = self.options.recall_deadline;
        let recollection = tokio::time::timeout(deadline, self.recall_unhurried(question))
            .await
            .unwrap_or(Err(RecallError::Deadline(deadline)))?;
        metrics::histogram!(metric::MEMORY_RECALL, "stage" => "embed").record(recollection.embed);
        metrics::histogram!(metric::MEMORY_RECALL, "stage" => "search").record(recollection.search);
        debug!(memories = recollection.memories.len(), "recalled");
        Ok(recollection)
    }

    /// Takes one entry of the turn log into the store: its step into the rows of its turn and, as soon as the person's
    /// words are in it, these words as a memory. Any entry may come any number of times, in any order.
    pub async fn remember(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        entry: &TurnLogEntry,
    ) -> Result<Applied, RememberError> {
        let deadline = self.options.remember_deadline;
        tokio::time::timeout(deadline, self.remember_unhurried(tenant, agent, entry))
            .await
            .unwrap_or(Err(RememberError::Deadline(deadline)))
    }

    async fn remember_unhurried(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        entry: &TurnLogEntry,
    ) -> Result<Applied, RememberError> {
        let mut transaction = self.store.tenant(tenant).await?;
        let applied = transaction.apply_turn_log_entry(agent, entry).await?;
        transaction.commit().await?;
        // Also when the step was there before: the last delivery may have ended between its two commits.
        if let Some(Step::UserCommitted(committed)) = &entry.step {
            self.remember_words(tenant, agent, entry, committed).await?;
        }
        Ok(applied)
    }

    async fn recall_unhurried(&self, question: &Question<'_>) -> Result<Recollection, RecallError> {
        let began = Instant::now();
        let embedding = self.embedder.embed_one(question.words).await?;
        let embedded = Instant::now();
        let mut transaction = self.store.tenant(question.tenant).await?;
        let matches = transaction
            .search_memories(&MemorySearch {
                agent: question.agent,
                person: question.person,
                model: self.embedder.model_id(),
                embedding: &embedding,
                except: question.except,
                // Some of the nearest may say the same.
                limit: self.options.limit.saturating_mul(4),
            })
            .await?;
        transaction.commit().await?;
        let limit = usize::try_from(self.options.limit).unwrap_or(usize::MAX);
        Ok(Recollection {
            memories: choose(matches, limit, self.options.minimum_similarity),
            embed: embedded - began,
            search: embedded.elapsed(),
        })
    }

    async fn remember_words(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        entry: &TurnLogEntry,
        committed: &UserCommitted,
    ) -> Result<(), RememberError> {
        // Without a person there is nobody to remember it for: an operator's words, for example.
        let (Ok(person), Ok(turn)) = (PersonId::new(committed.person_id.clone()), entry.turn_id.parse()) else {
            return Ok(());
        };
        if committed.text.trim().is_empty() {
            return Ok(());
        }
        let embedding = self.embedder.embed_one(&committed.text).await?;
        let mut transaction = self.store.tenant(tenant).await?;
        transaction
            .insert_memory(&NewMemory {
                agent,
                person: &person,
                turn,
                text: &committed.text,
                model: self.embedder.model_id(),
                embedding: &embedding,
            })
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
