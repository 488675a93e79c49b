//! `sentence.request`: whether a sentence may end after some words. An agent asks in a pause, and has little time.

use std::sync::Arc;

use aether_proto::{Error, SentenceReply, SentenceRequest};

use crate::input::check_words;
use crate::mind::{Mind, llm_error};

/// Answers one `sentence.request`. Who asks sets the deadline: the service drops this when it has passed, and with it the
/// model's work.
pub async fn serve(mind: Arc<Mind>, request: SentenceRequest) -> Result<SentenceReply, Error> {
    let SentenceRequest { words } = request;
    check_words(&words)?;
    let _interactive = mind.gate.interactive();
    let ends = mind.llm.sentence_ends(&words).await.map_err(|error| llm_error(&error))?;
    Ok(SentenceReply { ends })
}
