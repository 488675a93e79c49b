//! What the agent has said into the room lately, which is what its echo is made of.
//!
//! Time is counted in ticks of 10 ms, one frame each. Microphones are read by the same ticks, so that what was played and
//! what comes back keep their distance, however unevenly the tasks that carry them are run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use aether_audio::bands::{self, Colour, ColourMeter};

const TICK_MS: u128 = 10;
/// How late a microphone's frame may be looked at, which is longer than frames wait for a busy lane, and as much again for the
/// way that an echo takes.
const MEMORY_TICKS: u64 = 200;
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
    played: Mutex<Played>,
}

#[derive(Debug, Default)]
struct Played {
    /// Oldest first.
    frames: VecDeque<Frame>,
    meter: ColourMeter,
}

#[derive(Debug)]
struct Frame {
    tick: u64,
    samples: Arc<[i16]>,
    colour: Colour,
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
        let tick = played.frames.back().map_or(now, |last| now.max(last.tick + 1));
        while played.frames.front().is_some_and(|first| first.tick + MEMORY_TICKS <= tick) {
            played.frames.pop_front();
        }
        let colour = played.meter.push(frame);
        played.frames.push_back(Frame { tick, samples: frame.into(), colour });
    }

    pub(crate) fn at(&self, tick: u64) -> Sound {
        let played = self.lock();
        if played.frames.back().is_none_or(|last| last.tick + QUIET_TICKS < tick) {
            return Sound::Quiet;
        }
        match played.frames.binary_search_by_key(&tick, |frame| frame.tick) {
            Ok(index) => Sound::Voice(Arc::clone(&played.frames[index].samples)),
            Err(_) => Sound::Pause,
        }
    }

    /// What so many ticks up to this one looked like, oldest first; nothing if none of them was played.
    pub(crate) fn colours(&self, newest: u64, count: usize) -> Option<Vec<Colour>> {
        let mut colours = vec![bands::SILENCE; count];
        let mut is_silent = true;
        for frame in &self.lock().frames {
            let age = newest.checked_sub(frame.tick).and_then(|age| usize::try_from(age).ok());
            if let Some(place) = age.and_then(|age| count.checked_sub(age + 1)) {
                colours[place] = frame.colour;
                is_silent = false;
            }
        }
        (!is_silent).then_some(colours)
    }

    fn lock(&self) -> MutexGuard<'_, Played> {
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
    fn only_the_last_two_seconds_are_kept() {
        let start = Instant::now();
        let far_end = FarEnd::new(start);
        for tick in 0..500 {
            far_end.played(&[1; 480], start + Duration::from_millis(10 * tick));
        }
        assert_eq!(far_end.lock().frames.len(), 200);
        assert_eq!(sounds(&far_end, 298..302), [0, 0, 1, 1]);
    }
    #[test]
    fn colours_are_in_the_order_of_their_ticks_and_gaps_are_silent() {
        let start = Instant::now();
        let far_end = FarEnd::new(start);
        assert_eq!(far_end.colours(10, 5), None);
        for tick in [3, 5] {
            let tone: Vec<i16> = (0..480).map(|n| if n % 48 < 24 { 9_000 } else { -9_000 }).collect();
            far_end.played(&tone, start + Duration::from_millis(10 * tick));
        }
        let colours = far_end.colours(6, 5).unwrap();
        let silent: Vec<bool> = colours.iter().map(|colour| *colour == bands::SILENCE).collect();
        assert_eq!(silent, [true, false, true, false, true]);
        assert_eq!(far_end.colours(2, 2), None, "nothing was played yet");
        assert_eq!(far_end.colours(100, 5), None, "nor lately");
    }
}
