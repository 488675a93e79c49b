//! Conversations that were begun here lately. Their rows are written by brain, some time after: until then nobody but this
//! memory knows that they exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_identity::Principal;
use aether_proto::{PersonId, SessionId, TenantId};

use crate::app::App;
use crate::problem::Problem;

/// Far longer than a row takes, as long as the database answers at all.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Beyond it the oldest are forgotten.
const MOST: usize = 50_000;

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Conversations {
    begun: Arc<Mutex<HashMap<SessionId, Begun>>>,
}

struct Begun {
    tenant: TenantId,
    person: Option<PersonId>,
    at: Instant,
}

impl Conversations {
    /// A conversation that nobody else has.
    pub fn begin(&self, tenant: &TenantId, person: Option<&PersonId>) -> SessionId {
        let session = SessionId::generate();
        let begun = Begun { tenant: tenant.clone(), person: person.cloned(), at: Instant::now() };
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, begun| begun.at.elapsed() < REMEMBERED);
        }
        if all.len() >= MOST {
            // All of one burst: the ids sort by the time they were made.
            let mut ids: Vec<SessionId> = all.keys().copied().collect();
            ids.sort_unstable();
            for id in ids.iter().take(MOST / 2) {
                all.remove(id);
            }
        }
        all.insert(session, begun);
        session
    }

    /// The conversation of this id if this person may go on with it. Somebody else's does not exist.
    pub async fn find(
        &self,
        app: &App,
        caller: &Principal,
        person: Option<&PersonId>,
        id: &str,
    ) -> Result<SessionId, Problem> {
        let unknown = || {
            let message = format!("there is no conversation {id:?}; `X-Conversation-Id: new` begins one");
            Problem::not_found(message).at("X-Conversation-Id").shown_as("conversation_not_found")
        };
        let session: SessionId = id.parse().map_err(|_| unknown())?;
        if let Some(is_theirs) = self.was_begun_by(session, &caller.tenant, person) {
            return if is_theirs { Ok(session) } else { Err(unknown()) };
        }
        let mut transaction = app.store.tenant(&caller.tenant).await?;
        match transaction.session_exists(session, person, &caller.agent).await? {
            true => Ok(session),
            false => Err(unknown()),
        }
    }

    /// `None`: nothing is known of it here.
    fn was_begun_by(&self, session: SessionId, tenant: &TenantId, person: Option<&PersonId>) -> Option<bool> {
        let all = self.lock();
        let begun = all.get(&session).filter(|begun| begun.at.elapsed() < REMEMBERED)?;
        // Who speaks for nobody in particular speaks for everybody of the tenant.
        Some(begun.tenant == *tenant && (person.is_none() || begun.person.as_ref() == person))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_known_to_whoever_began_it() {
        let conversations = Conversations::default();
        let (acme, other) = (TenantId::new("acme").unwrap(), TenantId::new("other").unwrap());
        let (ada, ben) = (PersonId::new("ada").unwrap(), PersonId::new("ben").unwrap());
        let session = conversations.begin(&acme, Some(&ada));
        assert_eq!(conversations.was_begun_by(session, &acme, Some(&ada)), Some(true));
        assert_eq!(conversations.was_begun_by(session, &acme, None), Some(true));
        assert_eq!(conversations.was_begun_by(session, &acme, Some(&ben)), Some(false));
        assert_eq!(conversations.was_begun_by(session, &other, Some(&ada)), Some(false));
        assert_eq!(conversations.was_begun_by(SessionId::generate(), &acme, Some(&ada)), None);
    }

    #[test]
    fn the_memory_is_bounded_and_the_newest_stay() {
        let conversations = Conversations::default();
        let acme = TenantId::new("acme").unwrap();
        let mut newest = None;
        for _ in 0..=MOST {
            newest = Some(conversations.begin(&acme, None));
        }
        assert!(conversations.lock().len() <= MOST);
        assert_eq!(conversations.was_begun_by(newest.unwrap(), &acme, None), Some(true));
    }
}
