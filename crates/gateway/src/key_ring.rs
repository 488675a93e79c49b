//! API keys as they come in: looked up in the store, remembered for a few seconds, their use written down now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_identity::{PresentedKey, Principal, same_hash};
use aether_store::StoredKey;
use time::OffsetDateTime;

use crate::app::App;
use crate::problem::Problem;

/// More keys than are in use at once anywhere; beyond it the memory starts anew.
const MOST_REMEMBERED: usize = 10_000;

/// What is known of keys right now. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    remembered: Arc<Mutex<HashMap<String, Remembered>>>,
}

struct Remembered {
    /// Also that there is no such key: a wrong one costs one look-up, however often it is tried.
    key: Option<StoredKey>,
    looked_up: Instant,
    /// It is being looked up again.
    is_asked_for: bool,
    touched: Option<Instant>,
}

impl KeyRing {
    /// Whose key this is, if it is anybody's and still valid. An error means that nobody can say.
    pub async fn find(&self, app: &App, text: &str) -> Result<Option<Principal>, Problem> {
        let Some(PresentedKey { prefix, hash }) = app.options.keyring.read_key(text) else { return Ok(None) };
        let stored = match self.remembered(&prefix, app.options.key_memory) {
            Some((known, is_old)) => {
                if is_old {
                    self.look_up_behind(app, &prefix);
                }
                known
            }
            None => {
                let found = app.store.find_key(&prefix).await?;
                self.remember(&prefix, found.clone());
                found
            }
        };
        let Some(stored) =
            stored.filter(|stored| same_hash(&stored.hash, &hash) && stored.is_valid(OffsetDateTime::now_utc()))
        else {
            return Ok(None);
        };
        self.touch(app, &prefix, &stored);
        Ok(Some(Principal {
            tenant: stored.tenant,
            agent: stored.agent,
            person: stored.person,
            // A scope that this version does not know allows nothing.
            scopes: stored.scopes.split_whitespace().filter_map(|scope| scope.parse().ok()).collect(),
            key: Some(prefix),
        }))
    }

    /// Looks the key up anew the next time.
    pub fn forget(&self, prefix: &str) {
        self.lock().remove(prefix);
    }

    /// What is known of a key, if it is known well enough; and whether it is time to look it up again. Only one is told so.
    fn remembered(&self, prefix: &str, limit: Duration) -> Option<(Option<StoredKey>, bool)> {
        let mut all = self.lock();
        let known = all.get_mut(prefix).filter(|known| known.looked_up.elapsed() < limit)?;
        let is_old = !known.is_asked_for && known.looked_up.elapsed() >= limit / 2;
        known.is_asked_for |= is_old;
        Some((known.key.clone(), is_old))
    }

    /// So that nobody who calls often ever waits for the database.
    fn look_up_behind(&self, app: &App, prefix: &str) {
        let (ring, store, prefix) = (self.clone(), app.store.clone(), prefix.to_owned());
        app.background.spawn(async move {
            match store.find_key(&prefix).await {
                Ok(found) => ring.remember(&prefix, found),
                // Whoever comes once the memory has ended is told.
                Err(error) => tracing::debug!(%error, "a key could not be looked up again"),
            }
        });
    }

    fn remember(&self, prefix: &str, key: Option<StoredKey>) {
        let mut all = self.lock();
        if all.len() >= MOST_REMEMBERED && !all.contains_key(prefix) {
            all.clear();
        }
        let touched = all.get(prefix).and_then(|known| known.touched);
        let known = Remembered { key, looked_up: Instant::now(), is_asked_for: false, touched };
        all.insert(prefix.to_owned(), known);
    }

    /// Writes down that the key was used, behind the request.
    fn touch(&self, app: &App, prefix: &str, stored: &StoredKey) {
        let due = match self.lock().get_mut(prefix) {
            Some(known) if known.touched.is_none_or(|at| at.elapsed() >= app.options.touch_pause) => {
                known.touched = Some(Instant::now());
                true
            }
            _ => false,
        };
        if !due {
            return;
        }
        let (store, tenant, prefix) = (app.store.clone(), stored.tenant.clone(), prefix.to_owned());
        app.background.spawn(async move {
            let touched = async {
                let mut transaction = store.tenant(&tenant).await?;
                transaction.touch_key(&prefix).await?;
                transaction.commit().await
            };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "the last use of a key was not written down");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
