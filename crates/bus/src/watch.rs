//! Whether NATS is there, asked for ever.

use std::convert::Infallible;
use std::time::Duration;

use aether_telemetry::PartHealth;

use crate::Bus;

/// How long a round trip may take before NATS counts as away, and how often one is made.
const ROUND_TRIP: Duration = Duration::from_secs(2);

impl Bus {
    /// Says for ever whether NATS answers. A connection alone is not an answer.
    pub async fn watch(&self, health: &PartHealth) -> Infallible {
        let mut connected = self.connected();
        loop {
            if !*connected.borrow_and_update() {
                health.waiting(format_args!(
                    "no connection to NATS; it is tried again by itself, start NATS if it does not run: {}",
                    self.why_not_connected()
                ));
            } else if let Err(error) = self.ready(ROUND_TRIP).await {
                health.down(format_args!("NATS does not answer: {error}"));
            } else {
                health.up();
            }
            // Also after a while: a server can stop answering without closing the connection.
            let _ = tokio::time::timeout(ROUND_TRIP, connected.changed()).await;
        }
    }
}
