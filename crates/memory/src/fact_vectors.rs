//! Vectors of facts, which have no column for them: there are few per person, and they are asked for with every turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aether_store::Embedding;

use crate::{EmbedError, Embedder, Fact};

/// Facts whose vectors are kept at once, some 6 MB.
const MAX_KEPT: usize = 4096;
/// Vectors that are made in one go: a person waits. What is left over is made the next time.
const MAX_NEW: usize = 8;

/// Texts and their vectors, whoever they belong to. Cheap to clone.
#[derive(Clone, Default)]
pub struct FactVectors {
    kept: Arc<Mutex<HashMap<String, Embedding>>>,
}

impl FactVectors {
    /// How near each of `facts` is to `to`, nearest first; without those that have no vector yet.
    pub async fn near(
        &self,
        embedder: &Embedder,
        facts: Vec<Fact>,
        to: &Embedding,
    ) -> Result<Vec<(f32, Fact)>, EmbedError> {
        let missing: Vec<_> = {
            let kept = self.kept();
            let texts = facts.iter().map(|fact| &fact.text);
            texts.filter(|text| !kept.contains_key(*text)).take(MAX_NEW).cloned().collect()
        };
        if !missing.is_empty() {
            let vectors = embedder.embed(missing.clone()).await?;
            self.keep(missing.into_iter().zip(vectors));
        }
        let kept = self.kept();
        let mut near: Vec<_> =
            facts.into_iter().filter_map(|fact| Some((kept.get(&fact.text)?.similarity(to), fact))).collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        Ok(near)
    }

    /// The vectors of all of `texts`, in their order, for somebody for whom nobody waits.
    pub async fn of(&self, embedder: &Embedder, texts: &[&str]) -> Result<Vec<Embedding>, EmbedError> {
        let known: Vec<_> = {
            let kept = self.kept();
            texts.iter().map(|text| kept.get(*text).cloned()).collect()
        };
        let missing = texts.iter().zip(&known).filter(|(_, vector)| vector.is_none());
        let missing: Vec<_> = missing.map(|(text, _)| (*text).to_owned()).collect();
        let made = embedder.embed(missing.clone()).await?;
        self.keep(missing.into_iter().zip(made.iter().cloned()));
        let mut made = made.into_iter();
        known.into_iter().map(|vector| vector.or_else(|| made.next()).ok_or(EmbedError::Output)).collect()
    }

    fn keep(&self, new: impl ExactSizeIterator<Item = (String, Embedding)>) {
        let mut kept = self.kept();
        if kept.len() + new.len() > MAX_KEPT {
            kept.clear();
        }
        kept.extend(new);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Embedding>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
