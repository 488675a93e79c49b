//! `sentence.request`: whether a sentence may end after some words. An agent asks in a pause, and has little time.

use std::sync::Arc;
use std::time::Duration;

use aether_proto::{Error, SentenceReply, SentenceRequest};

use crate::input::check_words;
use crate::mind::{Mind, llm_error};

/// Later it tells nothing: the silence has lasted.
const LIMIT: Duration = Duration::from_secs(1);

/// Answers one `sentence.request`.
pub async fn serve(mind: Arc<Mind>, request: SentenceRequest) -> Result<SentenceReply, Error> {
    let SentenceRequest { words } = request;
    check_words(&words)?;
    let _interactive = mind.gate.interactive();
    let ends = mind.llm.sentence_ends(&words, LIMIT).await.map_err(|error| llm_error(&error))?;
    Ok(SentenceReply { ends })
}
