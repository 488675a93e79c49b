//! How long to wait before asking again.

use std::time::Duration;

/// Waits that double up to a limit, each shortened at random so that callers who failed together don't return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// So many requests in all; 1 never repeats.
    pub attempts: u32,
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 3, first: Duration::from_millis(100), longest: Duration::from_secs(1) }
    }
}

impl Backoff {
    /// The wait after `failed` failed attempts, or `None` when it was the last. `jitter` is a random number from 0 to 1.
    pub fn after(&self, failed: u32, jitter: f64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << failed.saturating_sub(1).min(16));
        // At least half of it: a wait of nothing would only repeat the failure.
        Some(doubled.min(self.longest).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_limit_and_end() {
        let backoff = Backoff { attempts: 6, ..Backoff::default() };
        let waits: Vec<_> = (1..=6).map(|failed| backoff.after(failed, 1.0).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(400), Some(800), Some(1000), None]);
        assert_eq!(backoff.after(1, 0.0), Some(Duration::from_millis(50)));
    }
}
