//! Whether the parts are there, asked for ever.

use std::convert::Infallible;
use std::time::Duration;

use aether_store::Store;
use aether_telemetry::{PartHealth, with_causes};

const ANSWER: Duration = Duration::from_secs(4);
/// Between two questions to a part that is well, and to one that is not.
const WHILE_UP: Duration = Duration::from_secs(5);
const WHILE_DOWN: Duration = Duration::from_secs(1);

pub async fn watch_postgres(store: &Store, health: &PartHealth) -> Infallible {
    loop {
        let pause = match tokio::time::timeout(ANSWER, store.ready()).await {
            Ok(Ok(())) => {
                health.up();
                WHILE_UP
            }
            Ok(Err(error)) => {
                health.down(with_causes(&error));
                WHILE_DOWN
            }
            Err(_) => {
                health.down("postgres does not answer; check that it runs and that POSTGRES_URL is right");
                WHILE_DOWN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The server is there and, where it lists its models, has the one that was asked for. One that has failed somebody is taken
/// for gone until it is asked.
pub async fn watch_llm(llm: &aether_llm::Client, health: &PartHealth) -> Infallible {
    loop {
        let wanted = &llm.options().model;
        let pause = match llm.models().await {
            Ok(models) if models.is_empty() || models.iter().any(|model| is_same_model(model, wanted)) => {
                health.up();
                WHILE_UP
            }
            Ok(models) => {
                let there = models.join(", ");
                health.degraded(format_args!("the server has no model {wanted}, only {there}; set LLM_MODEL to one"));
                WHILE_UP
            }
            Err(error) => {
                health.down(with_causes(&error));
                WHILE_DOWN
            }
        };
        if tokio::time::timeout(pause, llm.failed()).await.is_ok() {
            health.down("the language model has just failed; it is asked whether it is there");
        }
    }
}

/// Ollama adds `:latest` to a name without a tag.
fn is_same_model(model: &str, wanted: &str) -> bool {
    model == wanted || model.strip_suffix(":latest") == Some(wanted)
}
