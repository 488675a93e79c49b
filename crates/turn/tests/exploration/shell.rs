//! Effects are carried out, and events are made of what lanes, answers and the playout report, as in `aether-voice`: `lane.rs`,
//! `session/shell.rs`, `session/turns.rs`, `playout.rs`.

use aether_turn::floor::{CancelReason, Deadline, Effect, Event, LaneId, Phase};
use aether_turn::{Generation, lane};

use crate::rule::{Broken, Sight};
use crate::world::{AnswerEnd, Manner, Owed, Presence, Turn, World, lane_id};

const NEWS: &str = "news";
const SORRY: &str = "sorry";

fn lane_of(event: &Event) -> Option<LaneId> {
    match event {
        Event::Began { lane }
        | Event::Ended { lane }
        | Event::Draft { lane, .. }
        | Event::Guess { lane, .. }
        | Event::Overheard { lane, .. }
        | Event::Withdrawn { lane }
        | Event::Said { lane, .. }
        | Event::Wrote { lane, .. } => Some(*lane),
        _ => None,
    }
}

/// What a lane tells its session.
#[derive(Debug, Clone)]
pub enum Report {
    Began,
    Ended,
    Partial { stable: Option<String>, is_meant: bool },
    Draft { text: String, is_meant: bool },
    Guess { text: String },
    Said { text: String, is_meant: bool },
    Nothing,
    Lost,
    Closed,
}

// What happens.
impl World {
    pub fn begin_to_speak(&mut self, person: usize) {
        self.reported(person, Report::Began);
        self.hear(person, lane::Event::Began, true);
    }

    pub fn pause(&mut self, person: usize) {
        self.reported(person, Report::Ended);
        self.hear(person, lane::Event::Ended, true);
    }

    pub fn leave(&mut self, person: usize) {
        self.people[person].presence = Presence::Leaving;
        if self.people[person].lane.is_speaking() {
            self.reported(person, Report::Ended);
        }
        self.hear(person, lane::Event::Closed, true);
    }

    /// Steps the lane machine and reports what comes of it. `is_meant` is what the words will be taken for.
    pub fn hear(&mut self, person: usize, event: lane::Event, is_meant: bool) {
        for effect in self.people[person].lane.next(event) {
            let side = &mut self.people[person];
            match effect {
                lane::Effect::Transcribe { generation } => {
                    side.late = side.decode.or(side.late);
                    side.decode = Some(generation);
                }
                lane::Effect::CancelTranscription { generation } => {
                    side.late = Some(generation);
                    side.decode = None;
                }
                lane::Effect::ArmSilenceDeadline { generation } => side.silence = Some(generation),
                lane::Effect::Draft { text, .. } => self.reported(person, Report::Draft { text, is_meant }),
                lane::Effect::Finish { text } => self.reported(person, Report::Said { text, is_meant }),
                lane::Effect::Discard => self.reported(person, Report::Nothing),
                lane::Effect::Lose => self.reported(person, Report::Lost),
            }
        }
        let side = &mut self.people[person];
        if side.lane.is_speaking() || !side.lane.is_open() {
            side.silence = None;
        }
        if side.has_begun != side.lane.is_open() {
            self.broken = Some(Broken::LaneOutOfStep);
        }
        if self.people[person].presence == Presence::Leaving && !self.people[person].lane.is_open() {
            self.people[person].presence = Presence::Gone;
            self.reported(person, Report::Closed);
        }
    }

    /// What the session makes of a lane's report.
    pub fn reported(&mut self, person: usize, report: Report) {
        let lane = lane_id(person);
        let is_end = matches!(report, Report::Said { .. } | Report::Nothing | Report::Lost);
        if is_end && !std::mem::take(&mut self.people[person].has_begun) {
            self.broken = Some(Broken::LaneOutOfStep);
        }
        match report {
            Report::Began => {
                self.people[person].has_begun = true;
                self.step(Event::Began { lane });
            }
            Report::Ended => self.step(Event::Ended { lane }),
            Report::Partial { stable, is_meant } => {
                self.overhear(lane, is_meant);
                if let Some(text) = stable {
                    self.step(Event::Draft { lane, text });
                }
            }
            Report::Draft { text, is_meant } => {
                self.overhear(lane, is_meant);
                self.step(Event::Draft { lane, text });
            }
            Report::Guess { text } => self.step(Event::Guess { lane, text }),
            Report::Nothing => self.step(Event::Withdrawn { lane }),
            Report::Said { is_meant: false, .. } if self.floor.phase() == Phase::Speaking => {
                self.step(Event::Withdrawn { lane });
            }
            Report::Said { text, .. } => {
                // They have gone on from what was left unanswered.
                self.owed.retain(|owed| owed.manner != Manner::Asked);
                self.owed.push(Owed { lane, text: text.clone(), manner: Manner::Spoken });
                self.step(Event::Said { lane, text });
            }
            Report::Lost => {
                self.step(Event::Withdrawn { lane });
                self.apologise();
            }
            Report::Closed => {
                self.step(Event::Ended { lane });
                self.step(Event::Withdrawn { lane });
            }
        }
    }

    fn overhear(&mut self, lane: LaneId, meant: bool) {
        if self.floor.phase() != Phase::Listening {
            self.step(Event::Overheard { lane, meant });
        }
    }

    pub fn write(&mut self, person: usize, text: &str) {
        let lane = lane_id(person);
        self.owed.push(Owed { lane, text: text.to_owned(), manner: Manner::Written });
        self.step(Event::Wrote { lane, text: text.to_owned() });
    }

    pub fn ask_again(&mut self, person: usize, text: &str) {
        let lane = lane_id(person);
        self.owed.push(Owed { lane, text: text.to_owned(), manner: Manner::Asked });
        self.step(Event::Asked { lane, text: text.to_owned() });
    }

    pub fn announce(&mut self) {
        self.news += 1;
        self.step(Event::Announce { text: NEWS.to_owned() });
    }

    pub fn interrupt(&mut self) {
        self.news = 0;
        self.owed.retain(|owed| owed.manner != Manner::Asked);
        self.sights.push(Sight::SilenceOnRequest);
        self.step(Event::Interrupt);
    }

    /// Off the record, or on it again: what was made ahead is made again.
    pub fn switch_record(&mut self) {
        if let Some(generation) = self.turn.as_ref().filter(|turn| !turn.is_committed).map(|turn| turn.generation) {
            self.step(Event::Failed { generation });
        }
    }

    pub fn deadline(&mut self) {
        if let Some((deadline, armed)) = self.armed.take() {
            self.step(Event::DeadlineReached { deadline, armed });
        }
    }

    /// The log has the words.
    pub fn keep(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.is_safe = true;
            self.gate.release(turn.generation);
        }
    }

    pub fn play(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        turn.played += 1;
        let is_wanted = turn.is_committed && self.floor.phase() != Phase::Listening;
        if !is_wanted || Some(turn.generation) != self.newest {
            self.broken = Some(Broken::HeardUnwanted);
        }
    }

    pub fn can_play(&self) -> bool {
        self.turn
            .as_ref()
            .is_some_and(|turn| turn.played < turn.made && !turn.is_voiceless && self.gate.is_open(turn.generation))
    }

    pub fn tell_start(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        turn.has_started = true;
        let generation = turn.generation;
        self.step(Event::AudioStarted { generation });
    }

    pub fn lose_the_voice(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.is_voiceless = true;
        }
        self.tell_start();
    }

    pub fn tell_end(&mut self) {
        let Some(turn) = &self.turn else { return };
        let generation = turn.generation;
        let is_failed = turn.end == Some(AnswerEnd::Failed);
        self.step(if is_failed { Event::Failed { generation } } else { Event::Drained { generation } });
    }

    pub fn can_tell_end(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| {
            let is_told = turn.has_started || turn.played == 0;
            turn.end.is_some() && turn.has_been_played() && is_told && self.gate.is_open(turn.generation)
        })
    }
}

// What the floor decides.
impl World {
    fn step(&mut self, event: Event) {
        let phase = self.floor.phase();
        let asker = self.turn.as_ref().filter(|_| phase == Phase::Thinking).and_then(|turn| turn.lane);
        let is_noise = matches!(event, Event::Overheard { lane, meant: false } if Some(lane) == asker);
        let cause = event.clone();
        let effects = self.floor.next(event);
        self.broken = self.broken.or(self.is_broken_by(phase, &cause, &effects));
        if is_noise && self.floor.due().is_none_or(|(due, _)| due != Deadline::Answer) {
            self.broken = Some(Broken::HeldOffByNoise);
        }
        if self.carry_out(effects) && !self.apologise() {
            self.broken = Some(Broken::NotTold);
        }
    }

    /// What is wrong with effects that are not carried out yet, of an event that came in this phase.
    fn is_broken_by(&self, phase: Phase, event: &Event, effects: &[Effect]) -> Option<Broken> {
        let turn = self.turn.as_ref();
        let lane = lane_of(event);
        let is_interrupted =
            effects.iter().any(|effect| matches!(effect, Effect::Cancel { reason: CancelReason::Interrupted, .. }));
        if phase == Phase::Thinking && is_interrupted {
            let asker = turn.and_then(|turn| turn.lane);
            let is_speaking = |asker: LaneId| self.people[asker.0 as usize].lane.is_speaking();
            let is_theirs = match event {
                Event::DeadlineReached { .. } => asker.is_none_or(is_speaking),
                Event::Interrupt => true,
                _ => asker.is_none() || asker == lane,
            };
            return (!is_theirs).then_some(Broken::TakenBackByAnother);
        }
        if phase != Phase::Listening {
            return None;
        }
        let is_theirs = turn.is_none_or(|turn| turn.lane == lane);
        let has_guess = turn.is_some_and(|turn| turn.guess.is_some());
        match event {
            Event::Draft { .. } if is_theirs && !has_guess => {
                let is_passed_on = matches!(effects, [Effect::Open { .. } | Effect::Update { .. }]);
                (!is_passed_on).then_some(Broken::WordsNotPassedOn)
            }
            Event::Began { .. } if is_theirs && has_guess => {
                let is_ended = matches!(effects.first(), Some(Effect::Cancel { .. }));
                (!is_ended).then_some(Broken::MadeOnForNothing)
            }
            _ => None,
        }
    }

    /// False: somebody else has the floor, and the sentence is only shown.
    fn apologise(&mut self) -> bool {
        let effects = self.floor.next(Event::Say { text: SORRY.to_owned() });
        let is_said = !effects.contains(&Effect::Busy);
        // A sentence of our own has no further apology.
        self.carry_out(effects);
        is_said
    }

    /// True: somebody must be told that there will be no answer.
    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        let mut is_to_be_told = false;
        for effect in effects {
            match effect {
                Effect::Open { generation, lane, .. } => self.begin(generation, Some(lane)),
                Effect::Update { generation, .. } => self.open_turn(generation),
                Effect::Guess { generation, text } => {
                    self.open_turn(generation);
                    if let Some(turn) = &mut self.turn {
                        turn.guess = Some(text);
                    }
                }
                Effect::Commit { generation, lane, text, written } => self.commit(generation, lane, &text, written),
                Effect::Speak { generation, text } => {
                    if text == NEWS {
                        self.news = self.news.saturating_sub(1);
                        self.sights.push(Sight::News);
                    }
                    self.begin(generation, None);
                    if let Some(turn) = &mut self.turn {
                        turn.is_committed = true;
                    }
                    self.keep();
                }
                Effect::Cancel { generation, reason } => {
                    self.gate.stop(generation);
                    is_to_be_told |= reason == CancelReason::TimedOut;
                    self.cancelled(reason);
                    self.end(generation);
                }
                Effect::Complete { generation } => {
                    let is_heard = |turn: &Turn| turn.has_been_played() && turn.end == Some(AnswerEnd::Complete);
                    if !self.turn.as_ref().is_some_and(is_heard) {
                        self.broken = Some(Broken::CountedUnheard);
                    }
                    self.sights.push(Sight::HeardToTheEnd);
                    self.end(generation);
                }
                Effect::Fail { generation } => {
                    self.gate.stop(generation);
                    is_to_be_told = true;
                    self.sights.push(Sight::Failed);
                    self.end(generation);
                }
                Effect::Duck => self.duck(true),
                Effect::Unduck => self.duck(false),
                Effect::Arm { deadline, armed } => {
                    self.replaced = self.armed.or(self.replaced);
                    self.armed = Some((deadline, armed));
                }
                Effect::Busy => {}
            }
        }
        is_to_be_told
    }

    fn begin(&mut self, generation: Generation, lane: Option<LaneId>) {
        if self.turn.is_some() || self.newest.is_some_and(|newest| newest >= generation) {
            self.broken = Some(Broken::TwoAtOnce);
        }
        self.newest = Some(generation);
        self.turn = Some(Turn {
            generation,
            lane,
            is_committed: false,
            is_safe: false,
            guess: None,
            made: 0,
            played: 0,
            end: None,
            is_voiceless: false,
            has_started: false,
        });
    }

    /// Only a turn that is open and whose words are not guessed yet has words so far.
    fn open_turn(&mut self, generation: Generation) {
        let is_open = |turn: &Turn| turn.generation == generation && !turn.is_committed && turn.guess.is_none();
        if !self.turn.as_ref().is_some_and(is_open) {
            self.broken = Some(Broken::TwoAtOnce);
        }
    }

    fn commit(&mut self, generation: Generation, lane: LaneId, text: &str, written: bool) {
        let is_manner = |owed: &Owed| (owed.manner == Manner::Written) == written;
        let is_owed = |owed: &Owed| is_manner(owed) && owed.lane == lane && owed.text == text;
        // What is written keeps its order; what is spoken may go on before what waits.
        let place = match written {
            true => self.owed.iter().position(is_manner).filter(|place| is_owed(&self.owed[*place])),
            false => self.owed.iter().position(is_owed),
        };
        match place {
            Some(place) => {
                if self.owed.len() > 1 {
                    self.sights.push(Sight::Waited);
                }
                self.owed.remove(place);
            }
            None => self.broken = Some(Broken::SaidByNobody),
        }
        if self.turn.is_none() {
            self.begin(generation, Some(lane));
        }
        let Some(turn) = &mut self.turn else { return };
        if turn.generation != generation || turn.is_committed || turn.lane != Some(lane) {
            self.broken = Some(Broken::TwoAtOnce);
        }
        if let Some(guess) = &turn.guess {
            self.sights.push(Sight::GuessLetGo);
            if guess != text {
                self.broken = Some(Broken::AnotherGuess);
            }
        }
        turn.is_committed = true;
    }

    fn cancelled(&mut self, reason: CancelReason) {
        let Some(turn) = &self.turn else { return };
        if turn.is_committed == (reason == CancelReason::Withdrawn) {
            self.broken = Some(Broken::EndedTwice);
        }
        match reason {
            CancelReason::Withdrawn if turn.guess.is_some() => self.sights.push(Sight::GuessWithdrawn),
            CancelReason::Withdrawn => {}
            CancelReason::Interrupted => self.sights.push(Sight::SpokenOver),
            CancelReason::TimedOut => self.sights.push(Sight::TimedOut),
            CancelReason::Unsaid => self.sights.push(Sight::Unsaid),
        }
    }

    fn end(&mut self, generation: Generation) {
        let Some(turn) = self.turn.take().filter(|turn| turn.generation == generation) else {
            self.broken = Some(Broken::EndedTwice);
            return;
        };
        if turn.played < turn.made && !turn.is_voiceless && self.gate.is_open(generation) {
            self.broken = Some(Broken::HeardUnwanted);
        }
        self.ended = Some(generation);
    }

    fn duck(&mut self, is_ducked: bool) {
        if self.is_ducked == is_ducked {
            self.broken = Some(Broken::DuckedTwice);
        }
        if !is_ducked && self.floor.phase() == Phase::Speaking {
            self.sights.push(Sight::LoudAgain);
        }
        self.is_ducked = is_ducked;
    }
}
