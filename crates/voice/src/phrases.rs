//! Sentences that must be heard when a part is away, or late. They are synthesised while all is well and kept for as long as
//! the process runs, so that even an agent that has lost its voice can say so.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aether_bus::{Bus, Context, Error, Frame};
use aether_proto::ErrorCode;
use tokio::time::sleep;

use crate::chunker::{Chunk, Chunker};
use crate::speaker::{self, Sound};

/// While the person waits longer than is usual.
pub(crate) const ONE_MOMENT: &str = "One moment.";
/// In the middle of an answer, or instead of one.
pub(crate) const NO_VOICE: &str = "I have no voice right now. I will write until it is back.";

/// Between two attempts, while there is no voice to make them with.
const RETRY: Duration = Duration::from_secs(2);

/// What was synthesised beforehand, with the default voice. Clones share it; without [`prepare`](Self::prepare) it is empty.
#[derive(Clone, Default)]
pub struct Phrases {
    /// By the text of each chunk.
    sounds: Arc<RwLock<HashMap<String, Arc<[i16]>>>>,
}

impl Phrases {
    /// Has every sentence synthesised; waits for the voice as long as it takes.
    pub async fn prepare(&self, bus: &Bus, context: &Context) {
        let sentences = [ONE_MOMENT, NO_VOICE].into_iter().chain(ErrorCode::ALL.map(ErrorCode::spoken));
        for Chunk { text, .. } in sentences.flat_map(chunks) {
            // Several failures have the same sentence.
            while self.sound(&text).is_none() {
                match synthesise(bus, context, &text).await {
                    Ok(sound) => self.keep(&text, sound),
                    Err(error) => {
                        tracing::debug!(%error, "a sentence can't be prepared yet");
                        sleep(RETRY).await;
                    }
                }
            }
        }
    }

    fn keep(&self, text: &str, sound: Vec<i16>) {
        let mut sounds = self.sounds.write().unwrap_or_else(PoisonError::into_inner);
        sounds.insert(text.trim().to_owned(), sound.into());
    }

    /// The sound of this text at 48 kHz, if it is one of them and there already.
    pub(crate) fn sound(&self, text: &str) -> Option<Arc<[i16]>> {
        self.sounds.read().unwrap_or_else(PoisonError::into_inner).get(text.trim()).cloned()
    }
}

impl std::fmt::Debug for Phrases {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sounds = self.sounds.read().unwrap_or_else(PoisonError::into_inner).len();
        formatter.debug_struct("Phrases").field("sounds", &sounds).finish()
    }
}

/// A sentence of our own in the pieces in which it is spoken.
pub(crate) fn chunks(sentence: &str) -> Vec<Chunk> {
    let mut chunker = Chunker::new();
    let mut chunks = chunker.push(sentence);
    chunks.extend(chunker.flush());
    chunks
}

async fn synthesise(bus: &Bus, context: &Context, text: &str) -> Result<Vec<i16>, Error> {
    let mut call = speaker::call(bus, context, text, "").await?;
    let (mut sound, mut samples) = (Sound::default(), Vec::new());
    while let Some(frame) = call.next().await? {
        if let Frame::Audio(audio) = frame {
            samples.extend(sound.resample(&audio)?);
        }
    }
    samples.extend(sound.flush());
    Ok(samples)
}
