//! Which clip is decoded next: by priority, and among equals by turns.

use std::collections::HashMap;

/// How long somebody can wait for the result. Order is urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The person has finished and waits for an answer.
    Final,
    /// The person is still speaking.
    Partial,
    /// A file; rooms come first.
    Batch,
}

/// Waiting clips. Within a priority the lane that was served longest ago is next, so that a lane that asks all the
/// time can't starve one that asks rarely; within a lane it is first come, first served.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Vec<Waiting<T>>,
    /// When each lane was last served, counted in clips.
    served: HashMap<u64, u64>,
    clock: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    priority: Priority,
    lane: u64,
    arrival: u64,
    item: T,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new(), served: HashMap::new(), clock: 0 }
    }

    pub(super) fn push(&mut self, priority: Priority, lane: u64, item: T) {
        self.clock += 1;
        self.waiting.push(Waiting { priority, lane, arrival: self.clock, item });
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let turn = |waiting: &Waiting<T>| {
            let last_served = self.served.get(&waiting.lane).copied().unwrap_or(0);
            (waiting.priority, last_served, waiting.arrival)
        };
        let (next, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| turn(waiting))?;
        let next = self.waiting.remove(next);
        self.clock += 1;
        self.served.insert(next.lane, self.clock);
        self.forget_idle_lanes();
        Some(next.item)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Drops waiting clips that nobody wants any more.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.waiting.retain(|waiting| wanted(&waiting.item));
    }

    /// Lanes come and go with people; who was served long ago is as good as new.
    fn forget_idle_lanes(&mut self) {
        const REMEMBERED: usize = 256;
        if self.served.len() > REMEMBERED {
            let horizon = self.clock - REMEMBERED as u64;
            self.served.retain(|_, served| *served > horizon);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain<T>(queue: &mut Queue<T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn urgency_comes_before_arrival() {
        let mut queue = Queue::new();
        queue.push(Priority::Batch, 1, "file");
        queue.push(Priority::Partial, 2, "speaking");
        queue.push(Priority::Final, 3, "finished");
        assert_eq!(drain(&mut queue), ["finished", "speaking", "file"]);
    }

    #[test]
    fn a_busy_lane_takes_turns_with_a_quiet_one() {
        let mut queue = Queue::new();
        for clip in ["a1", "a2", "a3"] {
            queue.push(Priority::Partial, 1, clip);
        }
        queue.push(Priority::Partial, 2, "b1");
        assert_eq!(drain(&mut queue), ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn lanes_of_people_who_left_are_forgotten() {
        let mut queue = Queue::new();
        for lane in 0..10_000 {
            queue.push(Priority::Final, lane, ());
            queue.pop();
        }
        assert!(queue.served.len() <= 512);
    }

    proptest! {
        #[test]
        fn no_lane_is_served_twice_while_an_equal_one_waits(lanes in prop::collection::vec(0u64..4, 1..40)) {
            let mut queue = Queue::new();
            for (index, &lane) in lanes.iter().enumerate() {
                queue.push(Priority::Partial, lane, (lane, index));
            }
            let mut left: HashMap<u64, usize> = HashMap::new();
            lanes.iter().for_each(|lane| *left.entry(*lane).or_default() += 1);
            let order = drain(&mut queue);
            prop_assert_eq!(order.len(), lanes.len());
            let mut served: HashMap<u64, usize> = HashMap::new();
            for (lane, _) in &order {
                *left.get_mut(lane).unwrap() -= 1;
                *served.entry(*lane).or_default() += 1;
                for (other, waiting) in &left {
                    let behind = served.get(other).copied().unwrap_or(0);
                    prop_assert!(*waiting == 0 || served[lane] <= behind + 1);
                }
            }
            for lane in 0..4 {
                let indices: Vec<usize> = order.iter().filter(|(of, _)| *of == lane).map(|(_, index)| *index).collect();
                prop_assert!(indices.is_sorted());
            }
        }
    }
}
