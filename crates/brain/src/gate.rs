//! Who may use the language model: what somebody waits for goes first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// Background work runs one at a time, and only while nothing interactive does.
#[derive(Debug, Clone)]
pub struct Gate {
    usage: Arc<watch::Sender<Usage>>,
    background: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    interactive: usize,
    /// When somebody was last waited for, and no longer is.
    until: Option<Instant>,
}

/// As long as it lives, no background work starts, and what runs is told to stop.
#[derive(Debug)]
pub struct Interactive {
    usage: Arc<watch::Sender<Usage>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { usage: Arc::new(watch::Sender::new(Usage::default())), background: Arc::new(Semaphore::new(1)) }
    }
}

impl Gate {
    pub fn interactive(&self) -> Interactive {
        self.usage.send_modify(|usage| usage.interactive += 1);
        Interactive { usage: Arc::clone(&self.usage) }
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

    /// Resolves while nothing interactive runs, nor has for so long.
    pub async fn free(&self, rest: Duration) {
        let mut usage = self.usage.subscribe();
        loop {
            // Can't fail: `self` keeps the sender.
            let until = usage.wait_for(|usage| usage.interactive == 0).await.ok().and_then(|usage| usage.until);
            let Some(rested) = until.map(|until| until + rest).filter(|rested| *rested > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = sleep_until(rested) => {}
                _ = usage.changed() => {}
            }
        }
    }

    /// Resolves while something interactive runs.
    pub async fn taken(&self) {
        let _ = self.usage.subscribe().wait_for(|usage| usage.interactive > 0).await;
    }
}

impl Drop for Interactive {
    fn drop(&mut self) {
        self.usage.send_modify(|usage| {
            usage.interactive -= 1;
            usage.until = Some(Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn background_work_yields_to_what_somebody_waits_for() {
        let gate = Gate::default();
        assert!(gate.free(Duration::ZERO).now_or_never().is_some());
        let first = gate.interactive();
        let second = gate.interactive();
        assert!(gate.free(Duration::ZERO).now_or_never().is_none());
        assert!(gate.taken().now_or_never().is_some());
        drop(first);
        assert!(gate.free(Duration::ZERO).now_or_never().is_none());
        drop(second);
        assert!(gate.free(Duration::ZERO).now_or_never().is_some());
        assert!(gate.taken().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_time_waits_until_a_conversation_is_over() {
        let rest = Duration::from_secs(10);
        let gate = Gate::default();
        let began = Instant::now();
        gate.free(rest).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody was there");
        drop(gate.interactive());
        let next_turn = async {
            tokio::time::sleep(Duration::from_secs(6)).await;
            let turn = gate.interactive();
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(turn);
        };
        tokio::join!(gate.free(rest), next_turn);
        assert_eq!(began.elapsed(), Duration::from_secs(19));
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
