//! Who is who in a conversation: who is here, and whose each lane is.
//!
//! Each microphone has a lane of its own; who only writes gets one too. A lane is kept for as long as somebody speaks or has
//! written on it and was not answered, or is here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aether_proto::PersonId;
use aether_turn::floor::LaneId;

use super::Guest;

#[derive(Default)]
pub(super) struct Seats {
    seats: HashMap<LaneId, Seat>,
    newest: u32,
    /// By identity.
    present: BTreeMap<String, Guest>,
    /// Everybody who has said something so far, here or not.
    voices: BTreeSet<PersonId>,
}

struct Seat {
    guest: Guest,
    microphone: bool,
    /// Written messages that still wait for their turn.
    writings: usize,
    /// Utterances finished so far; numbers the captions.
    utterances: u32,
    shows_partial: bool,
}

impl Seats {
    pub(super) fn arrived(&mut self, guest: Guest) {
        self.present.insert(guest.participant.identity.clone(), guest);
    }

    pub(super) fn left(&mut self, identity: &str) {
        self.present.remove(identity);
        self.tidy();
    }

    pub(super) fn is_present(&self, identity: &str) -> bool {
        self.present.contains_key(identity)
    }

    /// Ids of the persons who are here, each once.
    pub(super) fn people(&self) -> Vec<String> {
        let people: BTreeSet<&PersonId> = self.present.values().map(|guest| &guest.person).collect();
        people.into_iter().map(ToString::to_string).collect()
    }

    /// A lane for a microphone that was just opened. A microphone that is closed and opened again gets another lane, because
    /// the first may still be finishing its last words.
    pub(super) fn speaker(&mut self, guest: Guest) -> LaneId {
        self.seat(guest, true)
    }

    /// The lane of somebody who writes: their microphone's, if they have one. Say when the message [`is
    /// taken`](Self::taken).
    pub(super) fn writer(&mut self, guest: Guest) -> LaneId {
        let identity = &guest.participant.identity;
        let known = self.seats.iter().filter(|(_, seat)| seat.guest.participant.identity == *identity);
        let lane = match known.map(|(lane, _)| *lane).max() {
            Some(lane) => lane,
            None => self.seat(guest, false),
        };
        if let Some(seat) = self.seats.get_mut(&lane) {
            seat.writings += 1;
        }
        lane
    }

    /// A written message has its turn now.
    pub(super) fn taken(&mut self, lane: LaneId) {
        if let Some(seat) = self.seats.get_mut(&lane) {
            seat.writings = seat.writings.saturating_sub(1);
        }
        self.tidy();
    }

    /// No more sound comes on this lane.
    pub(super) fn closed(&mut self, lane: LaneId) {
        if let Some(seat) = self.seats.get_mut(&lane) {
            seat.microphone = false;
            if seat.writings == 0 {
                self.seats.remove(&lane);
            }
        }
    }

    pub(super) fn guest(&self, lane: LaneId) -> Option<&Guest> {
        self.seats.get(&lane).map(|seat| &seat.guest)
    }

    /// Takes note of who says something.
    pub(super) fn heard(&mut self, lane: LaneId) {
        if let Some(seat) = self.seats.get(&lane) {
            self.voices.insert(seat.guest.person.clone());
        }
    }

    /// Whether more than one person takes part, if this lane does.
    pub(super) fn are_several(&self, lane: LaneId) -> bool {
        let other = |guest: &Guest| self.voices.iter().any(|voice| *voice != guest.person);
        self.voices.len() > 1 || self.guest(lane).is_some_and(other)
    }

    /// The number of the caption that this lane is at.
    pub(super) fn caption(&mut self, lane: LaneId, is_final: bool) -> Option<(Guest, String)> {
        let seat = self.seats.get_mut(&lane)?;
        let segment = format!("{}-{}-{}", seat.guest.participant.identity, lane.0, seat.utterances);
        seat.utterances += u32::from(is_final);
        seat.shows_partial = !is_final;
        Some((seat.guest.clone(), segment))
    }

    /// Whether something was shown of what is being said.
    pub(super) fn shows_partial(&self, lane: LaneId) -> bool {
        self.seats.get(&lane).is_some_and(|seat| seat.shows_partial)
    }

    fn seat(&mut self, guest: Guest, microphone: bool) -> LaneId {
        self.newest += 1;
        let lane = LaneId(self.newest);
        self.seats.insert(lane, Seat { guest, microphone, writings: 0, utterances: 0, shows_partial: false });
        lane
    }

    fn tidy(&mut self) {
        let present = &self.present;
        self.seats.retain(|_, seat| {
            seat.microphone || seat.writings > 0 || present.contains_key(&seat.guest.participant.identity)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Participant;

    fn guest(name: &str) -> Guest {
        let participant = Participant { identity: format!("{name}-1"), name: name.to_owned() };
        Guest { participant, person: PersonId::new(name).unwrap() }
    }

    #[test]
    fn a_seat_is_given_up_when_nobody_needs_it() {
        let mut seats = Seats::default();
        for _ in 0..100 {
            seats.arrived(guest("ada"));
            let lane = seats.writer(guest("ada"));
            seats.left("ada-1");
            assert_eq!(seats.guest(lane).unwrap().person.as_str(), "ada", "her message still waits");
            seats.taken(lane);
            assert!(seats.guest(lane).is_none());
            // Somebody who writes from elsewhere.
            let lane = seats.writer(guest("ben"));
            seats.taken(lane);
        }
        assert!(seats.seats.is_empty() && seats.people().is_empty());
    }

    #[test]
    fn whoever_has_a_microphone_writes_on_its_lane() {
        let mut seats = Seats::default();
        let first = seats.speaker(guest("ada"));
        assert_eq!(seats.writer(guest("ada")), first);
        let second = seats.speaker(guest("ada"));
        seats.taken(first);
        seats.closed(first);
        assert!(seats.guest(first).is_none());
        assert_eq!(seats.writer(guest("ada")), second);
    }

    #[test]
    fn several_are_those_who_said_something() {
        let mut seats = Seats::default();
        seats.arrived(guest("ada"));
        seats.arrived(guest("ben"));
        let (ada, ben) = (seats.speaker(guest("ada")), seats.speaker(guest("ben")));
        seats.heard(ada);
        assert!(!seats.are_several(ada), "Ben has said nothing so far");
        assert!(seats.are_several(ben));
        seats.heard(ben);
        assert!(seats.are_several(ada));
    }
}
