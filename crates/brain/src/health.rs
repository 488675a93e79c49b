//! Whether the parts are there, asked for ever.

use std::convert::Infallible;
use std::time::Duration;

use aether_bus::Bus;
use aether_store::Store;
use aether_telemetry::{PartHealth, with_causes};

const ROUND_TRIP: Duration = Duration::from_secs(2);
/// Between two questions to a part that is well, and to one that is not.
const WHILE_UP: Duration = Duration::from_secs(5);
const WHILE_DOWN: Duration = Duration::from_secs(1);

/// A connection alone is not an answer.
pub async fn watch_nats(bus: &Bus, health: &PartHealth) -> Infallible {
    let mut connected = bus.connected();
    loop {
        if !*connected.borrow_and_update() {
            health.waiting("no connection to NATS; it is tried again by itself, start NATS if it does not run");
        } else if let Err(error) = bus.ready(ROUND_TRIP).await {
            health.down(format_args!("NATS does not answer: {error}"));
        } else {
            health.up();
        }
        // Also after a while: a server can stop answering without closing the connection.
        let _ = tokio::time::timeout(ROUND_TRIP, connected.changed()).await;
    }
}

pub async fn watch_postgres(store: &Store, health: &PartHealth) -> Infallible {
    loop {
        let pause = match tokio::time::timeout(ROUND_TRIP * 2, store.ready()).await {
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

/// The server is there and, where it lists its models, has the one that was asked for.
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
        tokio::time::sleep(pause).await;
    }
}

/// Ollama adds `:latest` to a name without a tag.
fn is_same_model(model: &str, wanted: &str) -> bool {
    model == wanted || model.strip_suffix(":latest") == Some(wanted)
}
