//! Whose job is next, where several tenants want the same workers.
//!
//! The tenant that has least of the pool for its weight; among those that have equally little the one whose first job should
//! have begun first. What a tenant has are the jobs that run, and those that ended lately: in a pool of one worker nothing
//! runs when the next job is taken, and only what was before tells tenants apart. However much one tenant wants, another's
//! first job waits for few others.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::num::NonZeroU32;

/// One tenant's part in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share<J> {
    /// Its jobs that are being worked on.
    pub running: u64,
    /// Its jobs that ended lately: within the last minute, say. 0 where nobody counts; then small pools are less fair.
    pub recent: u64,
    /// A tenant of weight 2 gets twice as much as one of weight 1.
    pub weight: NonZeroU32,
    /// In the order in which they are to begin.
    pub waiting: VecDeque<Waiting<J>>,
}

/// A job that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<J> {
    pub job: J,
    pub start_by_unix_ms: i64,
}

impl<J> Share<J> {
    /// Of weight 1, with nothing that waits or has been.
    pub const fn new(running: u64) -> Self {
        Self { running, recent: 0, weight: NonZeroU32::MIN, waiting: VecDeque::new() }
    }

    /// By `(running + recent) / weight`, without rounding.
    fn compare_use(&self, other: &Self) -> Ordering {
        let jobs = |share: &Self| u128::from(share.running) + u128::from(share.recent);
        let weighed = |share: &Self, by: NonZeroU32| jobs(share) * u128::from(by.get());
        weighed(self, other.weight).cmp(&weighed(other, self.weight))
    }
}

/// The job that is next; it counts as running from now on. `None`: nothing waits.
pub fn take<J>(shares: &mut [Share<J>]) -> Option<J> {
    let waiting = shares.iter_mut().filter(|share| !share.waiting.is_empty());
    let start_by = |share: &Share<J>| share.waiting.front().map(|first| first.start_by_unix_ms);
    let next = waiting.min_by(|one, other| one.compare_use(other).then(start_by(one).cmp(&start_by(other))))?;
    next.running += 1;
    next.waiting.pop_front().map(|first| first.job)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tenant, and when its jobs should begin. Each job is named by its tenant.
    fn share<J: Copy>(job: J, running: u64, weight: u32, start_by: &[i64]) -> Share<J> {
        let waiting = start_by.iter().map(|&start_by_unix_ms| Waiting { job, start_by_unix_ms }).collect();
        Share { weight: NonZeroU32::new(weight).unwrap(), waiting, ..Share::new(running) }
    }

    #[test]
    fn whoever_has_least_for_their_weight_is_next() {
        let table: Vec<(&str, Vec<Share<char>>, &str)> = vec![
            ("nothing waits", vec![share('a', 0, 1, &[])], ""),
            ("equals: by time", vec![share('a', 0, 1, &[2]), share('b', 0, 1, &[1])], "ba"),
            ("least first", vec![share('a', 2, 1, &[0, 0]), share('b', 0, 1, &[9, 9, 9])], "bbaba"),
            ("for its weight", vec![share('a', 2, 3, &[0, 0, 0]), share('b', 1, 1, &[0, 0])], "aabab"),
            ("who wants nothing is passed over", vec![share('a', 0, 1, &[]), share('b', 7, 1, &[0])], "b"),
        ];
        for (name, mut shares, expected) in table {
            let taken: String = std::iter::from_fn(|| take(&mut shares)).collect();
            assert_eq!(taken, expected, "{name}");
        }
    }

    #[test]
    fn in_a_pool_of_one_worker_what_was_before_counts() {
        let mut shares = [share('a', 0, 2, &[0; 6]), share('b', 0, 1, &[9; 6])];
        let mut taken = String::new();
        for _ in 0..6 {
            taken.extend(take(&mut shares));
            for share in &mut shares {
                share.recent += std::mem::take(&mut share.running);
            }
        }
        assert_eq!(taken, "abaaba");
    }

    fn tenants() -> impl Strategy<Value = Vec<(u32, u64)>> {
        prop::collection::vec((1u32..6, 1u64..4), 2..6)
    }

    proptest! {
        #[test]
        fn no_worker_is_idle_while_something_waits(waiting in prop::collection::vec(0usize..4, 0..6)) {
            let mut shares: Vec<_> = waiting.iter().map(|&jobs| share((), 0, 1, &vec![0; jobs])).collect();
            let taken = std::iter::from_fn(|| take(&mut shares)).count();
            prop_assert_eq!(taken, waiting.iter().sum::<usize>());
        }

        /// Where all want more than there is, nobody who was given a job had more for their weight than anybody else.
        #[test]
        fn shares_are_as_the_weights(tenants in tenants(), workers in 0usize..60) {
            let weights = tenants.iter().map(|(weight, _)| *weight);
            let mut shares: Vec<_> = weights.map(|weight| share((), 0, weight, &[0; 60])).collect();
            (0..workers).for_each(|_| { take(&mut shares); });
            for (one, other) in shares.iter().flat_map(|one| shares.iter().map(move |other| (one, other))) {
                let before = one.running.saturating_sub(1) * u64::from(other.weight.get());
                prop_assert!(before <= other.running * u64::from(one.weight.get()), "{:?}", shares);
            }
        }

        /// Tenants that never have enough, whose jobs should all have begun before; and one job of somebody else.
        #[test]
        fn nobody_starves(tenants in tenants(), workers in 1usize..5) {
            let mut shares: Vec<_> = tenants.iter().map(|(weight, _)| share(false, 0, *weight, &[-1; 1_000])).collect();
            let mut ends: Vec<(u64, usize)> = Vec::new();
            let mut waited = None;
            for now in 0..200 {
                ends.retain(|&(end, tenant)| {
                    if end <= now {
                        shares[tenant].running -= 1;
                        shares[tenant].recent += 1;
                    }
                    end > now
                });
                if now == 100 {
                    shares.push(share(true, 0, 1, &[i64::MAX]));
                }
                while ends.len() < workers && waited.is_none() {
                    let before: Vec<_> = shares.iter().map(|share| share.running).collect();
                    let Some(is_other) = take(&mut shares) else { break };
                    let tenant = (0..before.len()).find(|&tenant| shares[tenant].running > before[tenant]).unwrap();
                    let length = tenants.get(tenant).map_or(1, |(_, length)| *length);
                    ends.push((now + length, tenant));
                    waited = is_other.then_some(now - 100.min(now));
                }
            }
            // It is next as soon as a worker is free.
            prop_assert!(waited.is_some_and(|waited| waited <= 3), "{:?}", waited);
        }
    }
}
