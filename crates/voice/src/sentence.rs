//! Asks brain, in a pause, whether a sentence may end there.

use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_proto::{SentenceReply, SentenceRequest, subject};
use tokio::time::timeout;

/// The silence is not kept waiting for longer: then it is judged without.
const LIMIT: Duration = Duration::from_millis(400);

/// Who can be asked about the words of one session.
#[derive(Clone)]
pub(crate) struct Sentences {
    bus: Bus,
    context: Context,
}

impl Sentences {
    pub(crate) fn new(bus: Bus, context: &Context) -> Self {
        Self { bus, context: context.clone() }
    }

    /// The probability that a sentence ends after these words; `None` where nobody knows, or not in time.
    pub(crate) async fn end(&self, words: &str) -> Option<f32> {
        let request = SentenceRequest { words: words.to_owned() };
        let context = self.context.clone().with_deadline(LIMIT);
        let asked = self.bus.request::<_, SentenceReply>(&context, subject::SENTENCE_REQUEST, &request);
        // The bus waits for a lost connection, which is more than the deadline counts.
        match timeout(LIMIT, asked).await {
            Ok(Ok(SentenceReply { ends })) => ends,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a sentence could not be judged");
                None
            }
            Err(_) => {
                tracing::debug!("a sentence was not judged in time");
                None
            }
        }
    }
}
