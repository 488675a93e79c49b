//! One room at one moment: the machines, and what a session keeps beside them.

use std::hash::{Hash, Hasher};

use aether_turn::floor::{Deadline, LaneId};
use aether_turn::{Floor, Generation, Lane};

use crate::rule::{Broken, Sight};

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub people: Vec<Person>,
    pub floor: Floor,
    pub turn: Option<Turn>,
    /// The deadline that was asked for last.
    pub armed: Option<(Deadline, Generation)>,
    pub is_ducked: bool,
    /// Finished words that were handed to the floor and are not committed, in their order.
    pub owed: Vec<Owed>,
    /// Announcements that wait.
    pub news: usize,
    pub broken: Option<Broken>,
    /// What was seen in the last step.
    pub sights: Vec<Sight>,
    pub gate: Gate,
    pub newest: Option<Generation>,
    /// The last turn that ended, and the last deadline that was replaced: what is reported of them is late.
    pub ended: Option<Generation>,
    pub replaced: Option<(Deadline, Generation)>,
}

/// A participant, and the lane that listens to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub lane: Lane,
    pub presence: Presence,
    /// The decode that runs; the silence that is waited for.
    pub decode: Option<Generation>,
    pub silence: Option<Generation>,
    pub has_begun: bool,
    /// A decode that is no longer wanted.
    pub late: Option<Generation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    Here,
    /// Their last words are still being transcribed.
    Leaving,
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub generation: Generation,
    pub lane: Option<LaneId>,
    pub is_committed: bool,
    /// The words are safe in the log: brain is asked, and the gate opens.
    pub is_safe: bool,
    pub guess: Option<String>,
    /// Frames of the answer: made, played.
    pub made: usize,
    pub played: usize,
    pub end: Option<AnswerEnd>,
    pub is_voiceless: bool,
    pub has_started: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerEnd {
    Complete,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owed {
    pub lane: LaneId,
    pub text: String,
    pub manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manner {
    Spoken,
    Written,
    /// Before an agent was lost.
    Asked,
}

/// Which generations the playout lets be heard.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gate {
    released: Generation,
    stopped: Generation,
}

impl Gate {
    pub fn release(&mut self, generation: Generation) {
        self.released = self.released.max(generation);
    }

    pub fn stop(&mut self, generation: Generation) {
        self.stopped = self.stopped.max(generation);
        self.release(generation);
    }

    pub fn is_open(&self, generation: Generation) -> bool {
        self.stopped < generation && generation <= self.released
    }
}

impl Person {
    fn new() -> Self {
        Self { lane: Lane::new(), presence: Presence::Here, decode: None, silence: None, has_begun: false, late: None }
    }
}

impl Turn {
    /// Whether brain makes an answer: for the words that were committed, or for a guess of them.
    pub fn is_being_answered(&self) -> bool {
        self.end.is_none() && (self.is_safe || self.guess.is_some())
    }

    pub fn has_been_played(&self) -> bool {
        self.is_voiceless || self.played == self.made
    }
}

impl World {
    pub fn new(people: usize) -> Self {
        Self {
            people: (0..people).map(|_| Person::new()).collect(),
            floor: Floor::new(),
            turn: None,
            armed: None,
            is_ducked: false,
            owed: Vec::new(),
            news: 0,
            broken: None,
            sights: Vec::new(),
            gate: Gate::default(),
            newest: None,
            ended: None,
            replaced: None,
        }
    }

    /// Whether the deadline that was asked for last still counts.
    pub fn is_due(&self) -> bool {
        self.armed.is_some() && self.armed == self.floor.due()
    }
}

pub fn lane_id(person: usize) -> LaneId {
    LaneId(person as u32)
}

/// By what decides what can come next; of generations only whether they are the newest.
impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.floor, self.is_due(), self.armed.map(|(deadline, _)| deadline)).hash(hasher);
        (self.is_ducked, &self.owed, self.news, self.broken).hash(hasher);
        for person in &self.people {
            let Person { lane, presence, decode, silence, has_begun, late: _ } = person;
            (lane, presence, decode.is_some(), silence.is_some(), has_begun).hash(hasher);
        }
        if let Some(turn) = &self.turn {
            let is_open = self.gate.is_open(turn.generation);
            (turn.lane, turn.is_committed, turn.is_safe, &turn.guess, is_open).hash(hasher);
            (turn.made, turn.played, turn.end, turn.is_voiceless, turn.has_started).hash(hasher);
        }
    }
}
