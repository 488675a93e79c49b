//! What this process knows of the conversations it takes part in. Lost with the process, and nothing is lost by it: the turn
//! log has all that lasts.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use aether_proto::{SessionId, TenantId, TurnId};
use aether_store::Exchange;

use crate::history::{History, Window, merge};

/// Sessions that are remembered here; the one that was used least recently makes room.
const MAX_SESSIONS: usize = 512;
/// Turns of one session whose rows may still be on their way.
const MAX_RECENT: usize = 8;

#[derive(Debug, Default)]
pub struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<(TenantId, SessionId), Session>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Session {
    recent: Vec<Exchange>,
    window: Window,
    told: HashSet<&'static str>,
    last_use: u64,
}

impl Sessions {
    /// Keeps what was said in a turn that has just ended.
    pub fn keep(&self, tenant: &TenantId, session: SessionId, exchange: Exchange) {
        self.with(tenant, session, |session| {
            session.recent.retain(|recent| recent.turn != exchange.turn);
            session.recent.push(exchange);
            if session.recent.len() > MAX_RECENT {
                session.recent.remove(0);
            }
        });
    }

    /// These turns are no more.
    pub fn forget(&self, tenant: &TenantId, session: SessionId, turns: &[TurnId]) {
        self.with(tenant, session, |session| session.recent.retain(|recent| !turns.contains(&recent.turn)));
    }

    /// `stored` completed by what is known here.
    pub fn complete(&self, tenant: &TenantId, session: SessionId, stored: Vec<Exchange>, current: TurnId) -> History {
        self.with(tenant, session, |session| merge(stored, &session.recent, current))
    }

    /// The part of a history that fits.
    pub fn show(&self, tenant: &TenantId, session: SessionId, history: &History, budget: usize) -> Vec<Exchange> {
        self.with(tenant, session, |session| session.window.show(&history.exchanges, budget).to_vec())
    }

    /// True once per session and code.
    pub fn tell_once(&self, tenant: &TenantId, session: SessionId, code: &'static str) -> bool {
        self.with(tenant, session, |session| session.told.insert(code))
    }

    fn with<T>(&self, tenant: &TenantId, session: SessionId, work: impl FnOnce(&mut Session) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { sessions, uses } = &mut *inner;
        *uses += 1;
        let key = (tenant.clone(), session);
        if sessions.len() >= MAX_SESSIONS
            && !sessions.contains_key(&key)
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, session)| session.last_use).map(|(key, _)| key.clone())
        {
            sessions.remove(&oldest);
        }
        let session = sessions.entry(key).or_default();
        session.last_use = *uses;
        work(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_a_thing_once() {
        let sessions = Sessions::default();
        let (ada, bob) = (TenantId::new("ada").unwrap(), TenantId::new("bob").unwrap());
        let session = SessionId::generate();
        assert!(sessions.tell_once(&ada, session, "memory_unavailable"));
        assert!(!sessions.tell_once(&ada, session, "memory_unavailable"));
        assert!(sessions.tell_once(&bob, session, "memory_unavailable"), "another tenant's session is another one");
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let sessions = Sessions::default();
        let tenant = TenantId::new("ada").unwrap();
        let first = SessionId::generate();
        sessions.tell_once(&tenant, first, "x");
        for _ in 0..MAX_SESSIONS {
            sessions.tell_once(&tenant, SessionId::generate(), "x");
        }
        assert_eq!(sessions.inner.lock().unwrap().sessions.len(), MAX_SESSIONS);
        assert!(sessions.tell_once(&tenant, first, "x"), "the oldest made room");
    }
}
