//! What an answer needs to be known first: the conversation so far, and what comes to mind. Neither ever stops a turn: what
//! can't be had in time is missing, and the person is told.

use std::sync::Arc;

use aether_llm::Message;
use aether_memory::{Question, Recollection};
use aether_proto::TurnId;
use tokio::time::timeout;
use tracing::debug;

use crate::history::{History, MAX_STORED};
use crate::input::Opening;
use crate::mind::Mind;

/// The conversation so far.
pub struct Known {
    pub history: History,
    /// Without the rows: only what this process remembers by itself.
    pub failed: bool,
}

/// What was recalled, and for which words.
#[derive(Clone)]
pub struct Recalled {
    pub words: String,
    pub recollection: Recollection,
    pub failed: bool,
}

impl Known {
    /// The turns that a prompt with this history shows, or is about.
    pub fn turns(&self, current: TurnId) -> Vec<TurnId> {
        self.history.exchanges.iter().map(|exchange| exchange.turn).chain([current]).collect()
    }
}

impl Recalled {
    /// Whether another look with these words could only find the same.
    pub fn is_for(&self, words: &str) -> bool {
        self.words.split_whitespace().eq(words.split_whitespace())
    }

    pub fn contains_all_of(&self, other: &Self) -> bool {
        let has = |turn| self.recollection.memories.iter().any(|memory| memory.turn == turn);
        other.recollection.memories.iter().all(|memory| has(memory.turn))
    }
}

/// The rows of the session, completed by what this process knows. Without the rows it goes on, and says so.
#[tracing::instrument(skip_all)]
pub async fn load_history(mind: Arc<Mind>, opening: Opening) -> Known {
    let Opening { tenant, session, turn, .. } = &opening;
    let rows = async {
        let mut transaction = mind.store.tenant(tenant).await?;
        let rows = transaction.history(*session, Some(*turn), MAX_STORED).await?;
        transaction.commit().await?;
        Ok::<_, aether_store::Error>(rows)
    };
    let (rows, failed) = match timeout(mind.options.history_deadline, rows).await {
        Ok(Ok(rows)) => (rows, false),
        Ok(Err(error)) => {
            debug!(%error, "no history");
            (Vec::new(), true)
        }
        Err(_) => {
            debug!("no history in time");
            (Vec::new(), true)
        }
    };
    Known { history: mind.sessions.complete(tenant, *session, rows, *turn), failed }
}

/// `shown` are the turns that are in the prompt anyway.
#[tracing::instrument(skip_all)]
pub async fn recall(mind: Arc<Mind>, opening: Opening, words: String, shown: Vec<TurnId>) -> Recalled {
    let Some(person) = &opening.person else {
        return Recalled { words, recollection: Recollection::default(), failed: false };
    };
    let question = Question { tenant: &opening.tenant, agent: &opening.agent, person, words: &words, except: &shown };
    let found = mind.memory.recall(&question).await;
    let (recollection, failed) = match found {
        Ok(recollection) => (recollection, false),
        Err(error) => {
            debug!(%error, "nothing recalled");
            (Recollection::default(), true)
        }
    };
    Recalled { words, recollection, failed }
}

/// A guess that fails costs nothing: the question itself will tell what is wrong.
#[tracing::instrument(skip_all)]
pub async fn read_ahead(mind: Arc<Mind>, messages: Vec<Message>) {
    if let Err(error) = mind.llm.prefill(messages).await {
        debug!(%error, "the prompt was not read ahead");
    }
}
