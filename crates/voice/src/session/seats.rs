//! Who is who in a conversation: each microphone has a lane of its own, and each lane a guest.

use std::collections::HashMap;

use aether_turn::floor::LaneId;

use super::Guest;

#[derive(Default)]
pub(super) struct Seats {
    seats: HashMap<LaneId, Seat>,
    newest: u32,
}

struct Seat {
    guest: Guest,
    /// Utterances finished so far; numbers the captions.
    utterances: u32,
}

impl Seats {
    /// A lane for a microphone that was just opened. A microphone that is closed and opened again gets another lane, because
    /// the first may still be finishing its last words.
    pub(super) fn speaker(&mut self, guest: Guest) -> LaneId {
        self.newest += 1;
        let lane = LaneId(self.newest);
        self.seats.insert(lane, Seat { guest, utterances: 0 });
        lane
    }

    /// The lane of somebody who writes: their microphone's, if they have one.
    pub(super) fn writer(&mut self, guest: Guest) -> LaneId {
        let identity = &guest.participant.identity;
        let known = self.seats.iter().filter(|(_, seat)| seat.guest.participant.identity == *identity);
        match known.map(|(lane, _)| *lane).max() {
            Some(lane) => lane,
            None => self.speaker(guest),
        }
    }

    pub(super) fn guest(&self, lane: LaneId) -> Option<&Guest> {
        self.seats.get(&lane).map(|seat| &seat.guest)
    }

    /// Who is captioned, and in which segment. A final caption ends the segment.
    pub(super) fn caption(&mut self, lane: LaneId, is_final: bool) -> Option<(String, String)> {
        let seat = self.seats.get_mut(&lane)?;
        let identity = seat.guest.participant.identity.clone();
        let segment = format!("{identity}-{}-{}", lane.0, seat.utterances);
        seat.utterances += u32::from(is_final);
        Some((identity, segment))
    }

    pub(super) fn left(&mut self, lane: LaneId) {
        self.seats.remove(&lane);
    }
}
