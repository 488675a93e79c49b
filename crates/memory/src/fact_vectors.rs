//! Vectors of facts, which have no column for them: there are few per person, and they are asked for with every turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aether_store::Embedding;

use crate::{EmbedError, Embedder};

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
        facts: Vec<String>,
        to: &Embedding,
    ) -> Result<Vec<(f32, String)>, EmbedError> {
        let missing: Vec<_> = {
            let kept = self.kept();
            facts.iter().filter(|fact| !kept.contains_key(*fact)).take(MAX_NEW).cloned().collect()
        };
        if !missing.is_empty() {
            let vectors = embedder.embed(missing.clone()).await?;
            let mut kept = self.kept();
            if kept.len() + missing.len() > MAX_KEPT {
                kept.clear();
            }
            kept.extend(missing.into_iter().zip(vectors));
        }
        let kept = self.kept();
        let mut near: Vec<_> =
            facts.into_iter().filter_map(|fact| Some((kept.get(&fact)?.similarity(to), fact))).collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        Ok(near)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Embedding>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
