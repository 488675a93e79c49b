//! Turns whose answer waits for a tool that the client runs: the request that brings the result goes on with the same turn,
//! so that one question with one answer does not become two in the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_proto::{PersonId, SessionId, TenantId, TurnId};

/// Clients that come back later begin a new turn.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// Beyond it the memory starts anew.
const MOST: usize = 10_000;

/// Where a turn stands that a request left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Errand {
    pub session: SessionId,
    pub turn: TurnId,
    /// Of the leg that comes.
    pub generation: u32,
    /// How long the answer is so far, in bytes.
    pub answered: usize,
}

/// By whose and which call they wait for. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Errands {
    waiting: Arc<Mutex<HashMap<Key, (Instant, Errand)>>>,
}

type Key = (TenantId, Option<PersonId>, String);

impl Errands {
    pub fn wait(&self, tenant: &TenantId, person: Option<&PersonId>, calls: &[String], errand: &Errand) {
        let mut waiting = self.lock();
        if waiting.len() >= MOST {
            waiting.clear();
        }
        for call in calls {
            waiting.insert((tenant.clone(), person.cloned(), call.clone()), (Instant::now(), errand.clone()));
        }
    }

    /// The turn that one of these calls belongs to. It is taken once: a client that tries again begins a new turn.
    pub fn take<'a>(
        &self,
        tenant: &TenantId,
        person: Option<&PersonId>,
        calls: impl Iterator<Item = &'a str>,
    ) -> Option<Errand> {
        let mut waiting = self.lock();
        let mut found = None;
        for call in calls {
            let taken = waiting.remove(&(tenant.clone(), person.cloned(), call.to_owned()));
            let fresh = taken.filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, errand)| errand);
            found = found.or(fresh);
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Instant, Errand)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_finds_its_turn_once_and_only_for_its_owner() {
        let errands = Errands::default();
        let (acme, ada) = (TenantId::new("acme").unwrap(), PersonId::new("ada").unwrap());
        let (session, turn) = (SessionId::generate(), TurnId::generate());
        let errand = Errand { session, turn, generation: 1, answered: 9 };
        errands.wait(&acme, Some(&ada), &["a".to_owned(), "b".to_owned()], &errand);
        assert_eq!(errands.take(&acme, None, ["a"].into_iter()), None);
        assert_eq!(errands.take(&acme, Some(&ada), ["x", "a", "b"].into_iter()), Some(errand));
        assert_eq!(errands.take(&acme, Some(&ada), ["b"].into_iter()), None);
    }
}
