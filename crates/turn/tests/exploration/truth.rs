//! What is true in every state.

use aether_turn::floor::{Deadline, Event, Phase};
use aether_turn::lane;

use crate::world::{AnswerEnd, Person, World};

/// More events than it takes to settle whatever is under way.
const PATIENCE: usize = 60;

impl World {
    pub fn is_consistent(&self) -> bool {
        match self.floor.phase() {
            Phase::Listening => !self.is_ducked && self.turn.as_ref().is_none_or(|turn| !turn.is_committed),
            Phase::Thinking => !self.is_ducked && self.turn.as_ref().is_some_and(|turn| turn.is_committed),
            Phase::Speaking => self.turn.as_ref().is_some_and(|turn| turn.is_committed),
        }
    }

    pub fn thinks_with_a_deadline(&self) -> bool {
        self.floor.phase() != Phase::Thinking || self.is_due()
    }

    pub fn is_low_for_a_reason(&self) -> bool {
        let is_resumed = self.is_due() && self.armed.is_some_and(|(deadline, _)| deadline == Deadline::Resume);
        !self.is_ducked || is_resumed || self.people.iter().any(|person| person.lane.is_speaking())
    }

    pub fn waits_for_a_reason(&self) -> bool {
        let is_free = self.floor.phase() == Phase::Listening && self.turn.is_none();
        let is_quiet = self.people.iter().all(|person| !person.lane.is_open());
        !(is_free && is_quiet) || (self.owed.is_empty() && self.news == 0)
    }

    pub fn ignores_what_is_late(&self) -> bool {
        let late = |event: Event| {
            let mut floor = self.floor.clone();
            floor.next(event).is_empty() && floor == self.floor
        };
        let of_turn = self.ended.is_none_or(|generation| {
            late(Event::AudioStarted { generation })
                && late(Event::Drained { generation })
                && late(Event::Failed { generation })
        });
        let of_deadline =
            self.replaced.is_none_or(|(deadline, armed)| late(Event::DeadlineReached { deadline, armed }));
        of_turn && of_deadline && self.people.iter().all(Person::ignores_what_is_late)
    }

    /// Everybody falls silent, and no part answers any more.
    pub fn settles(mut self) -> bool {
        for person in 0..self.people.len() {
            if self.people[person].lane.is_speaking() {
                self.pause(person);
            }
            if let Some(generation) = self.people[person].silence {
                self.hear(person, lane::Event::DeadlineReached { generation }, true);
            }
            // A decode has a deadline, too.
            if let Some(generation) = self.people[person].decode {
                self.hear(person, lane::Event::TranscriptionFailed { generation }, true);
            }
        }
        for _ in 0..PATIENCE {
            if self.floor.phase() == Phase::Speaking {
                // What is being played comes to its end.
                let Some(turn) = &mut self.turn else { return false };
                turn.end = Some(AnswerEnd::Failed);
                self.tell_end();
            } else if self.is_due() {
                self.deadline();
            } else {
                break;
            }
        }
        let is_listening = self.floor.phase() == Phase::Listening && self.turn.is_none() && !self.is_ducked;
        let are_done = self.people.iter().all(|person| !person.lane.is_open());
        is_listening && are_done && self.owed.is_empty() && self.news == 0 && self.broken.is_none()
    }
}

impl Person {
    fn ignores_what_is_late(&self) -> bool {
        let Some(generation) = self.late else { return true };
        let text = "late".to_owned();
        let events = [
            lane::Event::Transcribed { generation, text },
            lane::Event::TranscriptionFailed { generation },
            lane::Event::DeadlineReached { generation },
        ];
        events.into_iter().all(|event| {
            let mut lane = self.lane.clone();
            lane.next(event).is_empty() && lane == self.lane
        })
    }
}
