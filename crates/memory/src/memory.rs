//! Remembering and recalling.

use std::time::{Duration, Instant};

use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, ErrorCode, PersonId, TenantId, TurnId, TurnLogEntry, UserCommitted};
use aether_store::{Applied, ApplyError, Embedding, FactRow, MemoryMatch, MemorySearch, NewMemory, Store};
use aether_telemetry::metric;
use tracing::{Instrument as _, debug, info_span};

use crate::about::is_about;
use crate::fact_vectors::FactVectors;
use crate::recollection::choose;
use crate::{EmbedError, Embedder, Fact, Recollection};

/// Facts of one person that are looked through; the newest.
pub(crate) const MAX_FACTS: u32 = 64;
/// Facts in a prompt.
const FACTS_SHOWN: usize = 4;
/// `minimum_similarity` of what is looked up because somebody asked for it: rather too much than too little.
const LOOKED_UP_SIMILARITY: f32 = 0.2;
/// What is looked through before something is forgotten.
const FORGET_AMONG: u32 = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Memories in a prompt.
    pub limit: u32,
    /// Cosine below which a memory does not come to mind. ADR 35 says what is above and below.
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
            minimum_similarity: 0.3,
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
    pub(crate) store: Store,
    pub(crate) embedder: Embedder,
    pub(crate) facts: FactVectors,
}

/// What is gone after [`Memory::forget`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    pub facts: u64,
    pub turns: Vec<TurnId>,
}

impl Memory {
    pub fn new(options: Options, store: Store, embedder: Embedder) -> Self {
        Self { options, store, embedder, facts: FactVectors::default() }
    }

    pub const fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// What matters for these words, within the deadline. Blank words recall nothing.
    pub async fn recall(&self, question: &Question<'_>) -> Result<Recollection, RecallError> {
        if question.words.trim().is_empty() {
            return Ok(Recollection::default());
        }
        let began = Instant::now();
        let embedding = self.embed(question.words).await?;
        self.recall_near(question, &embedding, began).await
    }

    /// The meaning of words that somebody waits for, within the deadline.
    pub async fn embed(&self, words: &str) -> Result<Embedding, RecallError> {
        let deadline = self.options.recall_deadline;
        let model = self.embedder.model_id();
        let span = info_span!(
            "embeddings",
            otel.name = format!("embeddings {model}"),
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = "onnx",
            gen_ai.request.model = model,
        );
        let embedding = tokio::time::timeout(deadline, self.embedder.embed_one(words).instrument(span)).await;
        Ok(embedding.map_err(|_| RecallError::Deadline(deadline))??)
    }

    /// [`Memory::recall`] for words whose meaning is known; it was asked for at `began`.
    pub async fn recall_near(
        &self,
        question: &Question<'_>,
        embedding: &Embedding,
        began: Instant,
    ) -> Result<Recollection, RecallError> {
        let (deadline, embed) = (self.options.recall_deadline, began.elapsed());
        let search = self.search(question, embedding, self.options.limit, self.options.minimum_similarity);
        let found = tokio::time::timeout(deadline.saturating_sub(embed), search).await;
        let recollection = Recollection { embed, ..found.unwrap_or(Err(RecallError::Deadline(deadline)))? };
        metrics::histogram!(metric::MEMORY_RECALL, "stage" => "embed").record(recollection.embed);
        metrics::histogram!(metric::MEMORY_RECALL, "stage" => "search").record(recollection.search);
        debug!(memories = recollection.memories.len(), facts = recollection.facts.len(), "recalled");
        Ok(recollection)
    }

    /// More than comes to mind by itself, for somebody who asks for it. The caller sets the deadline.
    pub async fn look_up(&self, question: &Question<'_>) -> Result<Recollection, RecallError> {
        let embedding = self.embedder.embed_one(question.words).await?;
        self.search(question, &embedding, self.options.limit.saturating_mul(2), LOOKED_UP_SIMILARITY).await
    }

    /// Keeps the question's words as a fact, said in `turn`; false when it is kept already. The caller sets the deadline.
    pub async fn keep(&self, question: &Question<'_>, turn: TurnId) -> Result<bool, RecallError> {
        let mut transaction = self.store.tenant(question.tenant).await?;
        let new = transaction.insert_fact(question.agent, question.person, question.words, Some(turn)).await?;
        transaction.commit().await?;
        Ok(new)
    }

    /// Deletes the facts and turns of the person that are about the question's words, and learns nothing more from what they
    /// have said so far, the excepted turns included. The caller sets the deadline.
    pub async fn forget(&self, question: &Question<'_>) -> Result<Forgotten, RecallError> {
        let topic = question.words;
        let embedding = self.embedder.embed_one(topic).await?;
        let mut transaction = self.store.tenant(question.tenant).await?;
        // Before anything is looked through: what somebody is about to learn is either here or never will be.
        transaction.learn_no_more(question.agent, question.person, question.except).await?;
        let said = transaction.search_memories(&self.memory_search(question, &embedding, FORGET_AMONG)).await?;
        let rows = transaction.facts(question.agent, question.person, FORGET_AMONG).await?;
        let texts: Vec<_> = rows.iter().map(|row| row.text.clone()).collect();
        let vectors = self.embedder.embed(texts).await?;
        let about = rows.iter().zip(&vectors).filter(|(row, vector)| {
            let similarity = embedding.similarity(vector);
            is_about(topic, &row.text, similarity)
        });
        let facts: Vec<_> = about.map(|(row, _)| row.fact_id).collect();
        let about = said.into_iter().filter(|memory| is_about(topic, &memory.text, memory.similarity));
        let turns: Vec<_> = about.map(|memory| memory.turn).collect();
        let facts = transaction.delete_facts(question.agent, question.person, &facts).await?;
        transaction.forget_turns(question.agent, question.person, &turns).await?;
        transaction.commit().await?;
        Ok(Forgotten { facts, turns })
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

    async fn search(
        &self,
        question: &Question<'_>,
        embedding: &Embedding,
        limit: u32,
        minimum: f32,
    ) -> Result<Recollection, RecallError> {
        let began = Instant::now();
        let mut transaction = self.store.tenant(question.tenant).await?;
        // Some of the nearest may say the same.
        let search = self.memory_search(question, embedding, limit.saturating_mul(4));
        let matches: Vec<MemoryMatch> = transaction.search_memories(&search).await?;
        let rows = transaction.facts(question.agent, question.person, MAX_FACTS).await?;
        transaction.commit().await?;
        let fact = |row: FactRow| Fact { is_asked_for: row.quote.is_empty(), text: row.text, kept_at: row.created_at };
        let facts = rows.into_iter().map(fact).collect();
        let near = self.facts.near(&self.embedder, facts, embedding).await?;
        let near = near.into_iter().filter(|(similarity, _)| *similarity >= minimum);
        Ok(Recollection {
            memories: choose(matches, usize::try_from(limit).unwrap_or(usize::MAX), minimum),
            facts: near.take(FACTS_SHOWN).map(|(_, fact)| fact).collect(),
            embed: Duration::ZERO,
            search: began.elapsed(),
        })
    }

    fn memory_search<'a>(&'a self, question: &Question<'a>, embedding: &'a Embedding, limit: u32) -> MemorySearch<'a> {
        MemorySearch {
            agent: question.agent,
            person: question.person,
            model: self.embedder.model_id(),
            embedding,
            except: question.except,
            limit,
        }
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
