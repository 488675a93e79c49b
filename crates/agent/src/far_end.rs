//! What the agent has said into the room lately, which is what its echo is made of.
//!
//! Time is counted in ticks of 10 ms, one frame each. Microphones are read by the same ticks, so that what was played and
//! what comes back keep their distance, however unevenly the tasks that carry them are run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const TICK_MS: u128 = 10;
/// How late a microphone's frame may be looked at: longer than frames wait for a busy lane.
const MEMORY_TICKS: u64 = 100;
/// After so long no echo is left: 3 s.
const QUIET_TICKS: u64 = 300;

/// What one tick sounded like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sound {
    Voice(Arc<[i16]>),
    /// Nothing was played, but what was played before may still echo.
    Pause,
    /// Nothing was played for so long that nothing can echo.
    Quiet,
}

/// Written by the playout, read by each microphone. Neither waits for the other longer than it takes to copy a pointer.
#[derive(Debug)]
pub(crate) struct FarEnd {
    began: Instant,
    /// Oldest first.
    played: Mutex<VecDeque<(u64, Arc<[i16]>)>>,
}

impl FarEnd {
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: now, played: Mutex::default() }
    }

    pub(crate) fn tick(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.began).as_millis() / TICK_MS;
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    /// Takes a frame on its way out. Frames that come faster than one a tick are queued and sound in the ticks that follow;
    /// when none comes in time, there is a gap, as there is in the room.
    pub(crate) fn played(&self, frame: &[i16], now: Instant) {
        let now = self.tick(now);
        let mut played = self.lock();
        let tick = played.back().map_or(now, |(last, _)| now.max(last + 1));
        while played.front().is_some_and(|(first, _)| first + MEMORY_TICKS <= tick) {
            played.pop_front();
        }
        played.push_back((tick, frame.into()));
    }

    pub(crate) fn at(&self, tick: u64) -> Sound {
        let played = self.lock();
        if played.back().is_none_or(|(last, _)| last + QUIET_TICKS < tick) {
            return Sound::Quiet;
        }
        match played.binary_search_by_key(&tick, |(at, _)| *at) {
            Ok(index) => Sound::Voice(Arc::clone(&played[index].1)),
            Err(_) => Sound::Pause,
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<[i16]>)>> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// First samples of the frames at these ticks; 0 is a pause, -1 quiet.
    fn sounds(far_end: &FarEnd, ticks: std::ops::Range<u64>) -> Vec<i16> {
        ticks
            .map(|tick| match far_end.at(tick) {
                Sound::Voice(frame) => frame[0],
                Sound::Pause => 0,
                Sound::Quiet => -1,
            })
            .collect()
    }

    #[test]
    fn frames_sound_one_a_tick() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let far_end = FarEnd::new(start);
        assert_eq!(sounds(&far_end, 0..2), [-1, -1], "nothing was ever played");
        // The queue takes the first three at once, then one each 10 ms.
        for (frame, ms) in [(1, 101), (2, 101), (3, 102), (4, 111), (5, 121)] {
            far_end.played(&[frame; 480], at(ms));
        }
        assert_eq!(sounds(&far_end, 9..17), [0, 1, 2, 3, 4, 5, 0, 0]);
        // Late by more than the queue holds: there was a gap.
        far_end.played(&[6; 480], at(185));
        assert_eq!(sounds(&far_end, 13..20), [4, 5, 0, 0, 0, 6, 0]);
        assert_eq!(sounds(&far_end, 317..321), [0, 0, -1, -1]);
    }

    #[test]
    fn only_the_last_second_is_kept() {
        let start = Instant::now();
        let far_end = FarEnd::new(start);
        for tick in 0..500 {
            far_end.played(&[1; 480], start + Duration::from_millis(10 * tick));
        }
        assert_eq!(far_end.lock().len(), 100);
        assert_eq!(sounds(&far_end, 398..402), [0, 0, 1, 1]);
    }
}
