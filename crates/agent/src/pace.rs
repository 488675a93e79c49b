//! In which tick of the room a microphone's frame was heard.

/// Frames whose lateness is compared before a gap is believed: half a second.
const LOOK_FRAMES: u32 = 50;
/// Where in a tick frames come is chance: one may always seem late by one.
const LATE_TICKS: u64 = 2;

/// Says in which tick a frame of a microphone was heard. Frames are heard one a tick and may be looked at later, many at once
/// after a busy moment; so they are counted, and the clock only corrects the count.
#[derive(Debug)]
pub(crate) struct Pace {
    next: u64,
    /// Of the frames looked at since the last correction, how many, and by how much the promptest was late.
    looked_at: u32,
    least_late: u64,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        // The first frame is heard when it comes.
        Self { next: u64::MAX, looked_at: 0, least_late: u64::MAX }
    }

    pub(crate) fn next(&mut self, now: u64) -> u64 {
        // Nothing is looked at before it is heard.
        self.next = self.next.min(now);
        self.looked_at += 1;
        self.least_late = self.least_late.min(now - self.next);
        if self.looked_at == LOOK_FRAMES {
            // All of them were late: it is not the machine that was busy, frames are missing.
            if self.least_late >= LATE_TICKS {
                self.next += self.least_late;
            }
            self.looked_at = 0;
            self.least_late = u64::MAX;
        }
        let tick = self.next;
        self.next += 1;
        tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(pace: &mut Pace, seen: impl IntoIterator<Item = u64>) -> Vec<u64> {
        seen.into_iter().map(|now| pace.next(now)).collect()
    }

    #[test]
    fn late_frames_keep_their_tick() {
        let mut pace = Pace::new();
        assert_eq!(ticks(&mut pace, [7, 8, 9]), [7, 8, 9]);
        // Nobody looked for 50 ms; then one was looked at too early in its tick, and one too late.
        assert_eq!(ticks(&mut pace, [15, 15, 15, 15, 15, 15, 16, 18, 18]), [10, 11, 12, 13, 14, 15, 16, 17, 18]);
        assert_eq!(ticks(&mut pace, [18, 19, 20]), [18, 19, 20], "nothing is looked at before it is heard");
    }

    #[test]
    fn a_gap_is_noticed_within_a_second() {
        let mut pace = Pace::new();
        ticks(&mut pace, 0..50);
        let after = ticks(&mut pace, 80..200);
        assert_eq!(after[0], 50);
        assert_eq!(after[60], 140);
    }

    #[test]
    fn being_late_by_one_tick_is_chance() {
        let mut pace = Pace::new();
        ticks(&mut pace, [0]);
        let late = ticks(&mut pace, 2..500);
        assert_eq!((late[0], late[497]), (1, 498));
    }
}
