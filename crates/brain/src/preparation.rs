//! What an answer needs to be known first: the conversation so far, and what comes to mind. Neither ever stops a turn: what
//! can't be had in time is missing, and the person is told.

use std::sync::Arc;
use std::time::Instant;

use aether_llm::Message;
use aether_memory::{Question, Recollection};
use aether_proto::TurnId;
use aether_settings::OfferTools;
use tokio::time::timeout;
use tracing::debug;

use crate::history::{History, MAX_STORED};
use crate::input::{Opening, are_same_words};
use crate::mind::Mind;
use crate::remembering::Unavailable;
use crate::tool::{Tool, choice};

/// The conversation so far.
#[derive(Default)]
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
    /// The agent's own tool that the words ask for.
    pub tool: Option<&'static dyn Tool>,
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
        are_same_words(&self.words, words)
    }

    pub fn contains_all_of(&self, other: &Self) -> bool {
        let has = |turn| self.recollection.memories.iter().any(|memory| memory.turn == turn);
        let facts = &self.recollection.facts;
        other.recollection.memories.iter().all(|memory| has(memory.turn))
            && other.recollection.facts.iter().all(|fact| facts.contains(fact))
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

/// `shown` are the turns that are in the prompt anyway. What the words mean is found out once, for the memories and for the
/// choice of a tool.
#[tracing::instrument(skip_all)]
pub async fn recall(mind: Arc<Mind>, opening: Opening, words: String, shown: Vec<TurnId>) -> Recalled {
    let mut recalled = Recalled { words, recollection: Recollection::default(), tool: None, failed: false };
    let chooses = mind.options.tools == OfferTools::Relevant && opening.given.tools.is_empty();
    let for_anybody = |tool: &&'static dyn Tool| opening.person.is_some() || !tool.needs_person();
    if chooses {
        recalled.tool = choice::by_beginning(&recalled.words).filter(for_anybody);
    }
    let chooses = chooses && recalled.tool.is_none();
    let may_ask = chooses && choice::may_ask(&recalled.words);
    if recalled.words.trim().is_empty() || (opening.person.is_none() && !may_ask) {
        return recalled;
    }
    match remember_and_choose(&mind, &opening, chooses, &shown, &mut recalled).await {
        Ok(()) => {}
        Err(error) => {
            debug!(%error, "nothing recalled");
            // Nobody's memories are not missed.
            recalled.failed = opening.person.is_some();
        }
    }
    recalled
}

async fn remember_and_choose(
    mind: &Mind,
    opening: &Opening,
    chooses: bool,
    shown: &[TurnId],
    recalled: &mut Recalled,
) -> Result<(), Unavailable> {
    let loaded = mind.memory.loaded()?;
    let began = Instant::now();
    let embedding = loaded.memory.embed(&recalled.words).await?;
    if chooses {
        let chosen = loaded.phrases.choose(&embedding);
        recalled.tool = chosen.filter(|tool| opening.person.is_some() || !tool.needs_person());
    }
    if let Some(person) = &opening.person {
        let Opening { tenant, agent, .. } = opening;
        let question = Question { tenant, agent, person, words: &recalled.words, except: shown };
        recalled.recollection = loaded.memory.recall_near(&question, &embedding, began).await?;
    }
    Ok(())
}

/// A guess that fails costs nothing: the question itself will tell what is wrong.
#[tracing::instrument(skip_all)]
pub async fn read_ahead(mind: Arc<Mind>, messages: Vec<Message>) {
    if let Err(error) = mind.llm.prefill(messages).await {
        debug!(%error, "the prompt was not read ahead");
    }
}
