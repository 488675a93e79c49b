//! Asks brain, in a pause, whether a sentence may end there.

use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_proto::{SentenceReply, SentenceRequest, subject};
use aether_turn::endpointing::are_worth_a_question;

/// The silence is not kept waiting for longer: then it is judged without.
const LIMIT: Duration = Duration::from_millis(400);

/// Who can be asked about the words of one session.
#[derive(Clone)]
pub(crate) struct Sentences {
    bus: Bus,
    context: Context,
    are_asked_about: bool,
}

impl Sentences {
    /// Without `are_asked_about` there is never a question.
    pub(crate) fn new(bus: Bus, context: &Context, are_asked_about: bool) -> Self {
        Self { bus, context: context.clone(), are_asked_about }
    }

    /// The question whether a sentence ends after these words; `None` where it would tell nothing.
    pub(crate) fn question(&self, words: &str) -> Option<impl Future<Output = Option<f32>> + use<>> {
        let (brain, words) = (self.clone(), words.to_owned());
        (self.are_asked_about && are_worth_a_question(&words)).then_some(async move { brain.end(words).await })
    }

    /// The probability that a sentence ends after these words; `None` where nobody knows, or not in time.
    async fn end(&self, words: String) -> Option<f32> {
        let request = SentenceRequest { words };
        let context = self.context.clone().with_deadline(LIMIT);
        match self.bus.request::<_, SentenceReply>(&context, subject::SENTENCE_REQUEST, &request).await {
            Ok(SentenceReply { ends }) => ends,
            Err(error) => {
                tracing::debug!(%error, "a sentence could not be judged");
                None
            }
        }
    }
}
