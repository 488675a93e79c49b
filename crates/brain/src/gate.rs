//! Who may use the language model: what somebody waits for goes first.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Background work runs one at a time, and only while nothing interactive does.
#[derive(Debug, Clone)]
pub struct Gate {
    interactive: Arc<watch::Sender<usize>>,
    background: Arc<Semaphore>,
}

/// As long as it lives, no background work starts, and what runs is told to stop.
#[derive(Debug)]
pub struct Interactive {
    interactive: Arc<watch::Sender<usize>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { interactive: Arc::new(watch::Sender::new(0)), background: Arc::new(Semaphore::new(1)) }
    }
}

impl Gate {
    pub fn interactive(&self) -> Interactive {
        self.interactive.send_modify(|count| *count += 1);
        Interactive { interactive: Arc::clone(&self.interactive) }
    }

    /// Leave to do background work, one at a time.
    pub async fn background(&self) -> SemaphorePermit<'_> {
        loop {
            // The semaphore is never closed.
            if let Ok(permit) = self.background.acquire().await {
                return permit;
            }
        }
    }

    /// Resolves while nothing interactive runs.
    pub async fn free(&self) {
        // Can't fail: `self` keeps the sender.
        let _ = self.interactive.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Resolves while something interactive runs.
    pub async fn taken(&self) {
        let _ = self.interactive.subscribe().wait_for(|count| *count > 0).await;
    }
}

impl Drop for Interactive {
    fn drop(&mut self) {
        self.interactive.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn background_work_yields_to_what_somebody_waits_for() {
        let gate = Gate::default();
        assert!(gate.free().now_or_never().is_some());
        let first = gate.interactive();
        let second = gate.interactive();
        assert!(gate.free().now_or_never().is_none());
        assert!(gate.taken().now_or_never().is_some());
        drop(first);
        assert!(gate.free().now_or_never().is_none());
        drop(second);
        assert!(gate.free().now_or_never().is_some());
        assert!(gate.taken().now_or_never().is_none());
    }

    #[test]
    fn background_work_runs_one_at_a_time() {
        let gate = Gate::default();
        let permit = gate.background().now_or_never();
        assert!(permit.is_some());
        assert!(gate.background().now_or_never().is_none());
        drop(permit);
        assert!(gate.background().now_or_never().is_some());
    }
}
