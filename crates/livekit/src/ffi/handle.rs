//! One thing that lives inside the library for as long as we hold it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::runtime::Runtime;
use super::wire::FfiOwnedHandle;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many of the library's objects this process holds. Back at its earlier value after a room is closed and all that came
/// from it is dropped; a number that grows from room to room is a leak.
pub fn live_handles() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Owns one object of the library and gives it back when dropped.
pub(crate) struct Handle {
    id: u64,
    runtime: &'static Runtime,
}

impl Handle {
    pub(crate) fn new(runtime: &'static Runtime, owned: FfiOwnedHandle) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self { id: owned.id, runtime }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// For the few requests with which the library takes the object back itself.
    pub(crate) fn into_consumed(self) -> u64 {
        let id = self.id;
        LIVE.fetch_sub(1, Ordering::Relaxed);
        std::mem::forget(self);
        id
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        if !self.runtime.drop_handle(self.id) {
            tracing::debug!(handle = self.id, "the livekit library no longer knew a handle");
        }
    }
}
