//! Makes memories of what was said while there was no sentence model, or another one. Facts need none: brain makes their
//! vectors when it looks through them.

use std::sync::Arc;
use std::time::Duration;

use aether_job::Priority;
use aether_proto::{EmbeddingsBackfill, EmbeddingsBackfilled, subject};
use aether_store::JobRow;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Kind, Outcome, Pool, completion};
use crate::kernel::Kernel;

/// In one go: the sentence model also looks for what people who talk should be reminded of.
const AT_ONCE: u32 = 16;
const ANSWER: Duration = Duration::from_secs(45);

pub struct EmbeddingBackfill;

impl Kind for EmbeddingBackfill {
    fn name(&self) -> &'static str {
        "embedding_backfill"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    /// What was made until then is kept, and the next attempt goes on.
    fn limit(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn check(&self, _payload: &Value) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(&'a self, kernel: &'a Arc<Kernel>, job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async move {
            let mut made = 0;
            loop {
                let context = Kernel::context(job).with_deadline(ANSWER);
                let wish = EmbeddingsBackfill { limit: AT_ONCE };
                let asked = kernel.bus.request(&context, subject::EMBEDDINGS_BACKFILL, &wish).await;
                match asked {
                    Ok(EmbeddingsBackfilled { made: 0, left }) => {
                        return Outcome::Done(json!({ "made": made, "left": left }));
                    }
                    Ok(some) => made += some.made,
                    Err(error) => return completion::failed(&error),
                }
            }
        }
        .boxed()
    }
}
