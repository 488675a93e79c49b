//! How much of a worker is taken. Pure: time comes in, nothing else goes out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an accepted job may take to be assigned. The server gives up before.
pub(super) const ASSIGNMENT_TIMEOUT: Duration = Duration::from_millis(12_500);

/// Counts jobs against the worker's capacity: those accepted but not yet assigned, and those that run.
#[derive(Debug)]
pub(super) struct Slots<Reserved> {
    capacity: u32,
    reserved: HashMap<String, (Instant, Reserved)>,
    running: u32,
    draining: bool,
}

impl<Reserved> Slots<Reserved> {
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity: capacity.max(1), reserved: HashMap::new(), running: 0, draining: false }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.draining && self.taken() < self.capacity
    }

    /// Takes a slot for a job that is being accepted. False when there is none.
    pub(super) fn reserve(&mut self, job: &str, what: Reserved, now: Instant) -> bool {
        if !self.has_room() && !self.reserved.contains_key(job) {
            return false;
        }
        self.reserved.insert(job.to_owned(), (now, what));
        true
    }

    /// The job has been assigned: its reservation becomes a running job.
    pub(super) fn start(&mut self, job: &str) -> Option<Reserved> {
        let (_, reserved) = self.reserved.remove(job)?;
        self.running += 1;
        Some(reserved)
    }

    pub(super) fn finish(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Takes back the reservations of jobs that were never assigned.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Reserved> {
        self.reserved
            .extract_if(|_, (since, _)| now.saturating_duration_since(*since) >= ASSIGNMENT_TIMEOUT)
            .map(|(_, (_, reserved))| reserved)
            .collect()
    }

    /// Takes back all reservations: the socket on which they would have been assigned is gone.
    pub(super) fn cancel_all(&mut self) -> Vec<Reserved> {
        self.reserved.drain().map(|(_, (_, reserved))| reserved).collect()
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    /// Sessions by capacity, from 0 to 1.
    pub(super) fn load(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "capacities are small numbers")]
        let load = self.taken() as f32 / self.capacity as f32;
        load.min(1.0)
    }

    fn taken(&self) -> u32 {
        self.running.saturating_add(u32::try_from(self.reserved.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slot_is_taken_from_acceptance_to_the_end() {
        let now = Instant::now();
        let mut slots = Slots::new(2);
        assert!(slots.reserve("a", (), now) && slots.has_room());
        assert!(slots.reserve("b", (), now) && !slots.has_room());
        assert!(!slots.reserve("c", (), now));
        assert_eq!(slots.start("a"), Some(()));
        assert_eq!((slots.running(), slots.load()), (1, 1.0));
        slots.finish();
        assert!((slots.load() - 0.5).abs() < f32::EPSILON);
        assert!(slots.reserve("c", (), now));
    }

    #[test]
    fn an_assignment_that_nobody_accepted_starts_nothing() {
        let mut slots = Slots::<()>::new(1);
        assert_eq!(slots.start("stranger"), None);
        assert_eq!(slots.running(), 0);
    }

    #[test]
    fn a_job_that_is_never_assigned_gives_its_slot_back() {
        let now = Instant::now();
        let mut slots = Slots::new(1);
        assert!(slots.reserve("a", 'a', now));
        assert!(slots.expire(now + ASSIGNMENT_TIMEOUT - Duration::from_millis(1)).is_empty());
        assert_eq!(slots.expire(now + ASSIGNMENT_TIMEOUT), ['a']);
        assert!(slots.has_room());
    }

    #[test]
    fn a_draining_worker_takes_nothing() {
        let mut slots = Slots::new(5);
        slots.drain();
        assert!(!slots.reserve("a", (), Instant::now()));
    }

    proptest! {
        #[test]
        fn never_more_than_the_capacity(capacity in 1_u32..5, steps in prop::collection::vec((0_u8..4, 0_u8..6), 0..60)) {
            let now = Instant::now();
            let mut slots = Slots::new(capacity);
            for (step, job) in steps {
                let job = job.to_string();
                match step {
                    0 => drop(slots.reserve(&job, (), now)),
                    1 => drop(slots.start(&job)),
                    2 => slots.finish(),
                    _ => drop(slots.expire(now + ASSIGNMENT_TIMEOUT)),
                }
                prop_assert!(slots.taken() <= capacity);
                prop_assert!((0.0..=1.0).contains(&slots.load()));
            }
        }
    }
}
