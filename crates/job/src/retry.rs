//! How long a job that failed waits before it is tried again.
//!
//! The longest wait doubles with each failure, and the wait is anything between nothing and that ("full jitter": Brooker,
//! "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). What failed together, because a part was down, does not come
//! back together.

use std::num::NonZeroU32;
use std::time::Duration;

/// How often and how soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// So many failures of one job, and a person looks at it.
    pub attempts: NonZeroU32,
    /// The longest wait after the first failure.
    pub first_delay: Duration,
    /// The longest wait after any.
    pub longest_delay: Duration,
}

impl Limits {
    /// Five attempts take 15 s of waiting at most: as long as a part takes to restart, and nobody has to be told of it.
    pub const DEFAULT: Self = Self {
        attempts: NonZeroU32::new(5).unwrap(),
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(300),
    };

    /// The wait after so many failures. `random` is anything from 0 to 1, each as likely as the other.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1);
        let longest = self.first_delay.saturating_mul(2u32.saturating_pow(doublings)).min(self.longest_delay);
        // A number that is none makes the wait the longest.
        Duration::try_from_secs_f64(longest.as_secs_f64() * random).unwrap_or(longest).min(longest)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_the_longest_of_all() {
        let seconds = |failures| Limits::DEFAULT.delay(failures, 1.0).as_secs();
        let waits: Vec<_> = (1..=11).map(seconds).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(Limits::DEFAULT.delay(3, 0.25), Duration::from_secs(1));
        assert_eq!(Limits::DEFAULT.delay(3, 0.0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(
            failures: u32,
            random: f64,
            first in 0u64..u64::MAX,
            longest in 0u64..u64::MAX,
        ) {
            let (first_delay, longest_delay) = (Duration::from_nanos(first), Duration::from_secs(longest));
            let limits = Limits { first_delay, longest_delay, ..Limits::DEFAULT };
            prop_assert!(limits.delay(failures, random) <= longest_delay);
        }

        #[test]
        fn more_chance_is_more_wait(failures in 0u32..100, less in 0.0..1.0, more in 0.0..1.0) {
            let (less, more) = if less <= more { (less, more) } else { (more, less) };
            prop_assert!(Limits::DEFAULT.delay(failures, less) <= Limits::DEFAULT.delay(failures, more));
            prop_assert!(Limits::DEFAULT.delay(failures, less) <= Limits::DEFAULT.delay(failures + 1, less));
        }
    }
}
