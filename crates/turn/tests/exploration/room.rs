//! The world around the machines: what people and parts can do in a state, in any order.

use std::sync::atomic::{AtomicU32, Ordering};

use aether_turn::floor::{Deadline, Phase};
use aether_turn::lane;
use stateright::{Model, Property};

use crate::rule::{self, Sight};
use crate::shell::Report;
use crate::world::{AnswerEnd, Presence, World};

/// How much of the world is explored. Utterances, turns and deadlines have no bound.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub people: usize,
    /// Frames of one answer.
    pub frames: usize,
    /// Nobody writes or begins to speak while so many finished words wait.
    pub waiting: usize,
    /// Also what does not need a second person to go wrong: people leave, words differ from a guess, the voice is lost, the
    /// record is switched, an agent was lost before.
    pub extras: bool,
}

pub struct Room {
    bounds: Bounds,
    /// One bit for each sight.
    seen: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Speak(usize),
    Pause(usize),
    Partial {
        person: usize,
        is_stable: bool,
        is_meant: bool,
    },
    Decoded {
        person: usize,
        text: &'static str,
        is_meant: bool,
    },
    NotDecoded {
        person: usize,
    },
    SilenceLasted {
        person: usize,
        is_meant: bool,
    },
    Guess {
        person: usize,
        text: &'static str,
    },
    Leave(usize),
    Write(usize),
    AskAgain(usize),
    Announce,
    Interrupt,
    SwitchRecord,
    Deadline(Deadline),
    /// The log keeps the words.
    Keep,
    MakeFrame,
    EndAnswer(AnswerEnd),
    Play,
    TellStart,
    TellEnd,
    LoseVoice,
}

const WORDS: &str = "words";
const OTHER_WORDS: &str = "other words";

impl Room {
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, seen: AtomicU32::new(0) }
    }

    /// What nothing that was explored has led to.
    pub fn unseen(&self) -> Vec<Sight> {
        let seen = self.seen.load(Ordering::Relaxed);
        Sight::ALL.into_iter().filter(|sight| seen & (1 << *sight as u32) == 0).collect()
    }

    fn of_person(&self, world: &World, person: usize, actions: &mut Vec<Action>) {
        let side = &world.people[person];
        let may_wait = world.owed.len() < self.bounds.waiting;
        // What words mean matters only where the agent has something to say itself.
        let meanings: &[bool] = if world.floor.phase() == Phase::Listening { &[true] } else { &[true, false] };
        if side.presence == Presence::Here {
            if side.lane.is_speaking() {
                actions.push(Action::Pause(person));
            } else if may_wait {
                actions.push(Action::Speak(person));
            }
            if may_wait {
                actions.push(Action::Write(person));
                if self.bounds.extras {
                    actions.push(Action::AskAgain(person));
                }
            }
            if self.bounds.extras {
                actions.push(Action::Leave(person));
            }
            if side.lane.is_speaking() {
                for &is_meant in meanings {
                    actions.push(Action::Partial { person, is_stable: true, is_meant });
                    actions.push(Action::Partial { person, is_stable: false, is_meant });
                }
            }
        }
        for &is_meant in meanings {
            if side.decode.is_some() {
                actions.push(Action::Decoded { person, text: "", is_meant });
                actions.push(Action::Decoded { person, text: WORDS, is_meant });
                if self.bounds.extras {
                    actions.push(Action::Decoded { person, text: OTHER_WORDS, is_meant });
                }
            }
            if side.silence.is_some() {
                actions.push(Action::SilenceLasted { person, is_meant });
            }
        }
        if side.decode.is_some() {
            actions.push(Action::NotDecoded { person });
        }
        if side.lane.is_open() {
            actions.push(Action::Guess { person, text: WORDS });
            if self.bounds.extras {
                actions.push(Action::Guess { person, text: OTHER_WORDS });
            }
        }
    }

    fn of_parts(&self, world: &World, actions: &mut Vec<Action>) {
        if let Some(turn) = &world.turn {
            if turn.is_committed && !turn.is_safe {
                actions.push(Action::Keep);
            }
            if turn.is_being_answered() {
                if turn.made < self.bounds.frames {
                    actions.push(Action::MakeFrame);
                }
                actions.push(Action::EndAnswer(AnswerEnd::Complete));
                actions.push(Action::EndAnswer(AnswerEnd::Failed));
            }
            if turn.played > 0 && !turn.has_started {
                actions.push(Action::TellStart);
            }
            if self.bounds.extras && turn.is_safe && !turn.is_voiceless {
                actions.push(Action::LoseVoice);
            }
            if self.bounds.extras && !turn.is_committed {
                actions.push(Action::SwitchRecord);
            }
        }
        if world.can_play() {
            actions.push(Action::Play);
        }
        if world.can_tell_end() {
            actions.push(Action::TellEnd);
        }
        if let Some((deadline, _)) = world.armed {
            actions.push(Action::Deadline(deadline));
        }
    }
}

impl Model for Room {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds.people)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What is broken is not explored any further.
        if world.broken.is_some() {
            return;
        }
        for person in 0..world.people.len() {
            self.of_person(world, person, actions);
        }
        self.of_parts(world, actions);
        if world.news == 0 {
            actions.push(Action::Announce);
        }
        actions.push(Action::Interrupt);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        world.sights.clear();
        match action {
            Action::Speak(person) => world.begin_to_speak(person),
            Action::Pause(person) => world.pause(person),
            Action::Partial { person, is_stable, is_meant } => {
                let stable = is_stable.then(|| WORDS.to_owned());
                world.reported(person, Report::Partial { stable, is_meant });
            }
            Action::Decoded { person, text, is_meant } => {
                let generation = world.people[person].decode.take()?;
                let text = text.to_owned();
                world.hear(person, lane::Event::Transcribed { generation, text }, is_meant);
            }
            Action::NotDecoded { person } => {
                let generation = world.people[person].decode.take()?;
                world.hear(person, lane::Event::TranscriptionFailed { generation }, true);
            }
            Action::SilenceLasted { person, is_meant } => {
                let generation = world.people[person].silence.take()?;
                world.hear(person, lane::Event::DeadlineReached { generation }, is_meant);
            }
            Action::Guess { person, text } => world.reported(person, Report::Guess { text: text.to_owned() }),
            Action::Leave(person) => world.leave(person),
            Action::Write(person) => world.write(person, WORDS),
            Action::AskAgain(person) => world.ask_again(person, WORDS),
            Action::Announce => world.announce(),
            Action::Interrupt => world.interrupt(),
            Action::SwitchRecord => world.switch_record(),
            Action::Deadline(_) => world.deadline(),
            Action::Keep => world.keep(),
            Action::MakeFrame => world.turn.as_mut()?.made += 1,
            Action::EndAnswer(end) => world.turn.as_mut()?.end = Some(end),
            Action::Play => world.play(),
            Action::TellStart => world.tell_start(),
            Action::TellEnd => world.tell_end(),
            Action::LoseVoice => world.lose_the_voice(),
        }
        for sight in &world.sights {
            self.seen.fetch_or(1 << *sight as u32, Ordering::Relaxed);
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rule::properties()
    }
}
