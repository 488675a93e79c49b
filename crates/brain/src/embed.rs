//! `embed.request`: texts to vectors. `embeddings.backfill`: the same for what was said without one.

use std::time::Duration;

use aether_bus::Context;
use aether_memory::EmbedError;
use aether_proto::{EmbedReply, EmbedRequest, EmbeddingsBackfill, EmbeddingsBackfilled, Error, ErrorCode, embed_reply};
use aether_telemetry::with_causes;

use crate::input::invalid;
use crate::remembering::Remembering;

const MAX_TEXTS: usize = 256;
const MOST_BACKFILLED: u32 = 64;
/// For one go at it; nobody waits, but a database that says nothing must not hold the call for ever.
const BACKFILLING: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 512 * 1024;

/// Answers one `embed.request`.
pub async fn serve(memory: Remembering, request: EmbedRequest) -> Result<EmbedReply, Error> {
    let EmbedRequest { texts } = request;
    if texts.len() > MAX_TEXTS || texts.iter().map(String::len).sum::<usize>() > MAX_BYTES {
        return Err(invalid(format_args!("at most {MAX_TEXTS} texts of together {MAX_BYTES} bytes at a time")));
    }
    let memory = memory.get().ok_or_else(not_loaded)?;
    let embedder = memory.embedder();
    let embeddings = embedder.embed(texts).await.map_err(|error| match error {
        EmbedError::Overloaded => ErrorCode::Overloaded.error(error),
        _ => ErrorCode::Internal.error(error),
    })?;
    let vectors = embeddings.iter().map(|embedding| embed_reply::Vector { values: embedding.as_slice().to_vec() });
    Ok(EmbedReply { model: embedder.model_id().to_owned(), vectors: vectors.collect() })
}

/// Answers one `embeddings.backfill`.
pub async fn backfill(
    memory: Remembering,
    context: Context,
    request: EmbeddingsBackfill,
) -> Result<EmbeddingsBackfilled, Error> {
    let memory = memory.get().ok_or_else(not_loaded)?;
    let limit = request.limit.clamp(1, MOST_BACKFILLED);
    match tokio::time::timeout(BACKFILLING, memory.backfill(&context.tenant, &context.agent, limit)).await {
        Ok(Ok(done)) => Ok(EmbeddingsBackfilled { made: done.made, left: done.left }),
        Ok(Err(error)) => Err(ErrorCode::StoreUnavailable.error(with_causes(&error))),
        Err(_) => Err(ErrorCode::DeadlineExceeded.error(format_args!("nothing was made within {BACKFILLING:?}"))),
    }
}

fn not_loaded() -> Error {
    ErrorCode::Unavailable.error("the sentence model is not loaded yet; /health says why")
}
