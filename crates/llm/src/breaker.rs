//! The circuit breaker: after repeated failures nobody waits for a server that is not there.

use std::time::{Duration, Instant};

/// When to stop asking and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// So many failures in a row open the circuit.
    pub failures: u32,
    /// How long an open circuit refuses at once.
    pub open: Duration,
    /// So many requests are let through afterwards; the circuit closes when all of them succeed.
    pub probes: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(60), probes: 3 }
    }
}

/// Leave for one request. Its outcome must be given back with [`CircuitBreaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    epoch: u64,
}

/// How a permitted request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    /// Given up by the caller: says nothing about the server.
    Abandoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { running: u32, succeeded: u32 },
}

/// Pure: the time comes in with every question.
#[derive(Debug)]
pub struct CircuitBreaker {
    policy: Policy,
    state: State,
    /// Counts state changes, so that a request from before the last one can't be mistaken for a probe.
    epoch: u64,
}

impl CircuitBreaker {
    pub const fn new(policy: Policy) -> Self {
        Self { policy, state: State::Closed { failures: 0 }, epoch: 0 }
    }

    /// Leave for one request, or how long to wait before asking again.
    pub fn admit(&mut self, now: Instant) -> Result<Permit, Duration> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.enter(State::HalfOpen { running: 0, succeeded: 0 });
        }
        if let State::HalfOpen { running, succeeded } = &mut self.state {
            if *running + *succeeded >= self.policy.probes {
                // The probes under way decide; when they do is not known.
                return Err(Duration::from_secs(1));
            }
            *running += 1;
        }
        Ok(Permit { epoch: self.epoch })
    }

    #[expect(clippy::needless_pass_by_value, reason = "a permit is used once")]
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) {
        if permit.epoch != self.epoch {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed { failures }, Outcome::Success) => *failures = 0,
            (State::Closed { failures }, Outcome::Failure) => {
                *failures += 1;
                if *failures >= self.policy.failures {
                    self.enter(State::Open { until: now + self.policy.open });
                }
            }
            (State::HalfOpen { running, succeeded }, Outcome::Success) => {
                *running -= 1;
                *succeeded += 1;
                if *succeeded >= self.policy.probes {
                    self.enter(State::Closed { failures: 0 });
                }
            }
            (State::HalfOpen { .. }, Outcome::Failure) => self.enter(State::Open { until: now + self.policy.open }),
            (State::HalfOpen { running, .. }, Outcome::Abandoned) => *running -= 1,
            (State::Closed { .. }, Outcome::Abandoned) | (State::Open { .. }, _) => {}
        }
    }

    /// Nothing is known to be wrong.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn failing(breaker: &mut CircuitBreaker, times: u32, now: Instant) {
        for _ in 0..times {
            let permit = breaker.admit(now).unwrap();
            breaker.record(permit, Outcome::Failure, now);
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_a_minute() {
        let mut breaker = CircuitBreaker::new(Policy::default());
        let now = Instant::now();
        failing(&mut breaker, 4, now);
        let permit = breaker.admit(now).unwrap();
        breaker.record(permit, Outcome::Success, now);
        failing(&mut breaker, 4, now);
        assert!(breaker.is_closed(), "a success in between starts the count again");
        failing(&mut breaker, 1, now);
        assert_eq!(breaker.admit(now), Err(MINUTE));
        assert_eq!(breaker.admit(now + MINUTE / 2), Err(MINUTE / 2));
        assert!(breaker.admit(now + MINUTE).is_ok());
    }

    #[test]
    fn three_good_probes_close_it_and_a_bad_one_opens_it_again() {
        for bad in [false, true] {
            let mut breaker = CircuitBreaker::new(Policy::default());
            let now = Instant::now();
            failing(&mut breaker, 5, now);
            let later = now + MINUTE;
            let probes: Vec<_> = (0..3).map(|_| breaker.admit(later).unwrap()).collect();
            assert!(breaker.admit(later).is_err(), "no more than three at a time");
            for (index, probe) in probes.into_iter().enumerate() {
                let outcome = if bad && index == 1 { Outcome::Failure } else { Outcome::Success };
                breaker.record(probe, outcome, later);
            }
            assert_eq!(breaker.is_closed(), !bad);
            assert_eq!(breaker.admit(later).is_err(), bad);
        }
    }

    #[test]
    fn an_abandoned_probe_makes_room_for_another() {
        let mut breaker = CircuitBreaker::new(Policy { probes: 1, ..Policy::default() });
        let now = Instant::now();
        failing(&mut breaker, 5, now);
        let later = now + MINUTE;
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err());
        breaker.record(probe, Outcome::Abandoned, later);
        assert!(breaker.admit(later).is_ok());
    }

    #[test]
    fn an_answer_from_before_the_circuit_opened_decides_nothing() {
        let mut breaker = CircuitBreaker::new(Policy { probes: 1, ..Policy::default() });
        let now = Instant::now();
        let slow = breaker.admit(now).unwrap();
        failing(&mut breaker, 5, now);
        let probe = breaker.admit(now + MINUTE).unwrap();
        breaker.record(slow, Outcome::Success, now + MINUTE);
        assert!(!breaker.is_closed());
        breaker.record(probe, Outcome::Success, now + MINUTE);
        assert!(breaker.is_closed());
    }

    proptest! {
        /// Whatever happens, it admits again: now, or after the time it named.
        #[test]
        fn it_never_stays_shut_for_ever(steps in proptest::collection::vec((0_u8..4, 0_u64..90), 0..200)) {
            let mut breaker = CircuitBreaker::new(Policy::default());
            let mut now = Instant::now();
            let mut permits = Vec::new();
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                match (step, permits.is_empty()) {
                    (0, _) | (_, true) => permits.extend(breaker.admit(now)),
                    (1, false) => breaker.record(permits.swap_remove(0), Outcome::Success, now),
                    (2, false) => breaker.record(permits.swap_remove(0), Outcome::Failure, now),
                    (_, false) => breaker.record(permits.swap_remove(0), Outcome::Abandoned, now),
                }
            }
            for permit in permits {
                breaker.record(permit, Outcome::Abandoned, now);
            }
            let admitted = match breaker.admit(now) {
                Ok(_) => true,
                Err(wait) => breaker.admit(now + wait).is_ok(),
            };
            prop_assert!(admitted);
        }
    }
}
