//! Which attempt at a turn is the newest, over all calls of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aether_proto::TurnId;
use tokio_util::sync::CancellationToken;

/// The attempts that are being worked on.
#[derive(Debug, Clone, Default)]
pub struct Generations {
    newest: Arc<Mutex<HashMap<TurnId, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    superseded: CancellationToken,
}

/// One attempt, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    generations: Generations,
    turn: TurnId,
    superseded: CancellationToken,
    generation: u32,
}

impl Generations {
    /// Makes this attempt the newest and ends older ones; `None` when a newer one is being worked on.
    pub fn claim(&self, turn: TurnId, generation: u32) -> Option<Claim> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = newest.get(&turn) {
            if entry.generation > generation {
                return None;
            }
            entry.superseded.cancel();
        }
        let superseded = CancellationToken::new();
        newest.insert(turn, Entry { generation, superseded: superseded.clone() });
        Some(Claim { generations: self.clone(), turn, superseded, generation })
    }
}

impl Claim {
    /// Fires when a newer attempt at the same turn has begun.
    pub fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.superseded.is_cancelled() {
            return;
        }
        let mut newest = self.generations.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.get(&self.turn).is_some_and(|entry| entry.generation == self.generation) {
            newest.remove(&self.turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_attempt_ends_the_older_one() {
        let generations = Generations::default();
        let turn = TurnId::generate();
        let first = generations.claim(turn, 1).unwrap();
        let second = generations.claim(turn, 2).unwrap();
        assert!(first.superseded().is_cancelled() && !second.superseded().is_cancelled());
        drop(first);
        assert!(generations.claim(turn, 1).is_none(), "the newer one is still there");
        drop(second);
        assert!(generations.newest.lock().unwrap().is_empty(), "nothing is kept of what is over");
    }
}
