//! `embed.request`: texts to vectors.

use aether_memory::EmbedError;
use aether_proto::{EmbedReply, EmbedRequest, Error, ErrorCode, embed_reply};

use crate::input::invalid;
use crate::remembering::Remembering;

const MAX_TEXTS: usize = 256;
const MAX_BYTES: usize = 512 * 1024;

/// Answers one `embed.request`.
pub async fn serve(memory: Remembering, request: EmbedRequest) -> Result<EmbedReply, Error> {
    let EmbedRequest { texts } = request;
    if texts.len() > MAX_TEXTS || texts.iter().map(String::len).sum::<usize>() > MAX_BYTES {
        return Err(invalid(format_args!("at most {MAX_TEXTS} texts of together {MAX_BYTES} bytes at a time")));
    }
    let Some(memory) = memory.get() else {
        return Err(ErrorCode::Unavailable.error("the sentence model is not loaded yet; /health says why"));
    };
    let embedder = memory.embedder();
    let embeddings = embedder.embed(texts).await.map_err(|error| match error {
        EmbedError::Overloaded => ErrorCode::Overloaded.error(error),
        _ => ErrorCode::Internal.error(error),
    })?;
    let vectors = embeddings.iter().map(|embedding| embed_reply::Vector { values: embedding.as_slice().to_vec() });
    Ok(EmbedReply { model: embedder.model_id().to_owned(), vectors: vectors.collect() })
}
