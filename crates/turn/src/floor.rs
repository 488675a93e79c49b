//! One room: who has the floor.
//!
//! ```text
//!              Said / Say            AudioStarted           Began               Ended
//!   Listening ───────────► Thinking ─────────────► Speaking ─────► Ducked ─────────────► Resuming
//!       ▲                     │                       │ ▲            │ ▲                    │ │
//!       │   failed, timed out,│               Drained │ │            │ └────── Began ───────┘ │
//!       │   spoken over       │                       │ └────────────┼─ deadline, not meant ──┘
//!       └─────────────────────┴───────────────────────┴──────────────┘ spoken over long enough
//! ```
//!
//! While the room is listening, a draft opens the next turn early and later ones update it: brain may recall and prefill,
//! nothing is audible or durable until the commit. In a pause that may be the end, a guess has the answer made ahead, unheard.
//! If the person goes on, all of it is cancelled and the next draft opens another generation; if they were done, the commit
//! only lets go what is there. At most one generation is alive at any time.
//!
//! A voice over the agent's makes it quieter at once. Whether it stops is decided by what is overheard: words that mean it
//! stop it, a "mm-hm" or a cough does not, and the agent is loud again once it is known to be no more. Where nothing can be
//! understood in time, the length of the voice decides. While the agent is still thinking only whoever is being answered can
//! withdraw their question; what others say then waits.
//!
//! What must not cut in waits for the floor: what the agent wants to say by itself, and words that were written while
//! somebody else was being answered, or while spoken ones were still being understood. So words are answered in the order
//! in which they were said.

mod message;

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use crate::Generation;
pub use message::{CancelReason, Deadline, Effect, Event, LaneId, Phase};

/// What may wait for the floor. Beyond it the agent takes no more of its own words, and people's no longer wait.
const MOST_WAITING: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    /// With the lane whose draft has opened the current generation.
    Listening {
        draft: Option<LaneId>,
    },
    Thinking,
    Speaking,
    Ducked,
    Resuming,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Waiting {
    /// Spoken while somebody else was waiting for their answer.
    Spoken {
        lane: LaneId,
        text: String,
    },
    Written {
        lane: LaneId,
        text: String,
    },
    Asked {
        lane: LaneId,
        text: String,
    },
    Own {
        text: String,
    },
}

/// The machine of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    state: State,
    /// Of the turn that is being drafted, thought about or spoken; of the last one while listening without a draft.
    generation: Generation,
    /// Whose words that turn answers; `None` for what the agent says by itself.
    answered: Option<LaneId>,
    /// The words from which the draft's answer is being made.
    guess: Option<String>,
    /// Counts armed deadlines; only the newest counts, and only while it is due.
    armed: Generation,
    due: Option<Deadline>,
    /// Lanes whose voice is heard right now.
    voices: BTreeSet<LaneId>,
    /// Lanes whose voice began, and of which it is not known yet what was said.
    unfinished: BTreeSet<LaneId>,
    waiting: VecDeque<Waiting>,
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

impl Floor {
    pub fn new() -> Self {
        Self {
            state: State::Listening { draft: None },
            generation: Generation::default(),
            answered: None,
            guess: None,
            armed: Generation::default(),
            due: None,
            voices: BTreeSet::new(),
            unfinished: BTreeSet::new(),
            waiting: VecDeque::new(),
        }
    }

    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Listening { .. } => Phase::Listening,
            State::Thinking => Phase::Thinking,
            State::Speaking | State::Ducked | State::Resuming => Phase::Speaking,
        }
    }

    /// The deadline that counts: what any other would report is stale.
    pub fn due(&self) -> Option<(Deadline, Generation)> {
        self.due.map(|deadline| (deadline, self.armed))
    }

    pub fn next(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.decide(event);
        // What went wrong is apologised for before anything else is said.
        let failed = |effect: &Effect| {
            matches!(effect, Effect::Fail { .. } | Effect::Cancel { reason: CancelReason::TimedOut, .. })
        };
        if !effects.iter().any(failed) {
            effects.extend(self.take_up_what_waits());
        }
        effects
    }

    fn decide(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Began { lane } => self.began(lane),
            Event::Ended { lane } => self.ended(lane),
            Event::Draft { lane, text } => self.draft(lane, text),
            Event::Guess { lane, text } => self.guess(lane, text),
            Event::Overheard { lane, meant } => self.overheard(lane, meant),
            Event::Withdrawn { lane } => self.withdrawn(lane),
            Event::Said { lane, text } => self.said(lane, text),
            Event::Wrote { lane, text } => self.wrote(lane, text),
            Event::Asked { lane, text } => self.wait(Waiting::Asked { lane, text }),
            Event::Say { text } => self.say(text),
            Event::Announce { .. } if self.waiting.len() == MOST_WAITING => vec![Effect::Busy],
            Event::Announce { text } => self.wait(Waiting::Own { text }),
            Event::AudioStarted { generation } if generation == self.generation => self.audio_started(),
            Event::Drained { generation } if generation == self.generation => self.drained(),
            Event::Failed { generation } if generation == self.generation => self.failed(),
            Event::Interrupt => {
                // Whoever asks for silence does not want to hear what comes next.
                self.waiting.retain(|waiting| matches!(waiting, Waiting::Spoken { .. } | Waiting::Written { .. }));
                self.interrupt(CancelReason::Interrupted)
            }
            Event::DeadlineReached { deadline, armed } if self.due() == Some((deadline, armed)) => {
                self.deadline_reached(deadline)
            }
            // Stale.
            Event::AudioStarted { .. }
            | Event::Drained { .. }
            | Event::Failed { .. }
            | Event::DeadlineReached { .. } => Vec::new(),
        }
    }

    fn began(&mut self, lane: LaneId) -> Vec<Effect> {
        self.unfinished.insert(lane);
        if !self.voices.insert(lane) {
            return Vec::new();
        }
        match self.state {
            // They go on: an answer to half of what they want to say is nothing.
            State::Listening { draft: Some(holder) } if holder == lane && self.guess.is_some() => {
                self.interrupt(CancelReason::Withdrawn)
            }
            State::Thinking if self.concerns(lane) => vec![self.arm(Deadline::BargeIn)],
            State::Speaking => {
                self.state = State::Ducked;
                vec![Effect::Duck, self.arm(Deadline::BargeIn)]
            }
            // Still quiet from the last overlap.
            State::Resuming => {
                self.state = State::Ducked;
                vec![self.arm(Deadline::BargeIn)]
            }
            // Another voice was there first.
            State::Listening { .. } | State::Thinking | State::Ducked => Vec::new(),
        }
    }

    fn ended(&mut self, lane: LaneId) -> Vec<Effect> {
        if !self.voices.remove(&lane) {
            return Vec::new();
        }
        match self.state {
            State::Ducked if self.voices.is_empty() => {
                self.state = State::Resuming;
                vec![self.arm(Deadline::Resume)]
            }
            State::Thinking if self.concerns(lane) => vec![self.arm_while_thinking()],
            _ => Vec::new(),
        }
    }

    /// Whether the turn that is thought about is this lane's to withdraw. What the agent says by itself is everybody's.
    fn concerns(&self, lane: LaneId) -> bool {
        self.answered.is_none_or(|answered| answered == lane)
    }

    fn draft(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        let State::Listening { draft } = self.state else { return Vec::new() };
        match draft {
            None => vec![self.open(lane, text)],
            Some(holder) if holder == lane && self.guess.is_none() => {
                vec![Effect::Update { generation: self.generation, text }]
            }
            Some(_) => Vec::new(),
        }
    }

    fn open(&mut self, lane: LaneId, text: String) -> Effect {
        self.generation = self.generation.following();
        self.state = State::Listening { draft: Some(lane) };
        Effect::Open { generation: self.generation, lane, text }
    }

    fn guess(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        let State::Listening { draft } = self.state else { return Vec::new() };
        let mut effects = Vec::new();
        match draft {
            Some(holder) if holder != lane => return effects,
            Some(_) if self.guess.as_ref() == Some(&text) => return effects,
            Some(_) if self.guess.is_none() => {}
            Some(_) => {
                effects = self.interrupt(CancelReason::Withdrawn);
                effects.push(self.open(lane, text.clone()));
            }
            None => effects.push(self.open(lane, text.clone())),
        }
        effects.push(Effect::Guess { generation: self.generation, text: text.clone() });
        self.guess = Some(text);
        effects
    }

    fn overheard(&mut self, lane: LaneId, meant: bool) -> Vec<Effect> {
        if !self.unfinished.contains(&lane) {
            return Vec::new();
        }
        match self.state {
            State::Listening { .. } => Vec::new(),
            State::Thinking if !self.concerns(lane) => Vec::new(),
            _ if meant => self.interrupt(CancelReason::Interrupted),
            // Whoever is understood is not judged by the length of their voice.
            State::Ducked if self.voices.contains(&lane) => vec![self.arm(Deadline::Overlap)],
            // And a noise that goes on keeps nobody waiting for an answer that never comes.
            State::Thinking if self.due == Some(Deadline::BargeIn) && self.voices.contains(&lane) => {
                vec![self.arm(Deadline::Answer)]
            }
            State::Resuming if self.unfinished.len() == 1 => self.resume(),
            _ => Vec::new(),
        }
    }

    /// The overlap came to nothing.
    fn resume(&mut self) -> Vec<Effect> {
        self.state = State::Speaking;
        self.due = None;
        vec![Effect::Unduck]
    }

    fn withdrawn(&mut self, lane: LaneId) -> Vec<Effect> {
        self.unfinished.remove(&lane);
        match self.state {
            State::Listening { draft: Some(holder) } if holder == lane => self.interrupt(CancelReason::Withdrawn),
            State::Resuming if self.unfinished.is_empty() => self.resume(),
            _ => Vec::new(),
        }
    }

    fn said(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        self.unfinished.remove(&lane);
        // Whoever speaks now has gone on from what was left unanswered.
        self.waiting.retain(|waiting| !matches!(waiting, Waiting::Asked { .. }));
        if self.state == State::Thinking && !self.concerns(lane) && self.waiting.len() < MOST_WAITING {
            return self.wait(Waiting::Spoken { lane, text });
        }
        let mut effects = Vec::new();
        let is_drafted = self.state == (State::Listening { draft: Some(lane) });
        let is_guessed_wrong = self.guess.as_ref().is_some_and(|guess| *guess != text);
        if !is_drafted || is_guessed_wrong {
            effects = self.interrupt(CancelReason::Interrupted);
            self.generation = self.generation.following();
        }
        effects.push(self.commit(lane, text, false));
        effects.push(self.arm_while_thinking());
        effects
    }

    /// Writing does not cut in on the answer to somebody else, nor overtake what was spoken before.
    fn wrote(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        let others_wait = self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Written { .. }));
        let waits = match self.state {
            State::Listening { .. } => others_wait || self.is_understanding(),
            _ => others_wait || self.answered.is_some_and(|answered| answered != lane),
        };
        if waits && self.waiting.len() < MOST_WAITING {
            return self.wait(Waiting::Written { lane, text });
        }
        let mut effects = self.interrupt(CancelReason::Interrupted);
        effects.extend(self.answer_writing(lane, text));
        effects
    }

    fn answer_writing(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        self.generation = self.generation.following();
        let commit = self.commit(lane, text, true);
        // A voice that was there before is no answer to what was written.
        vec![commit, self.arm(Deadline::Answer)]
    }

    fn commit(&mut self, lane: LaneId, text: String, written: bool) -> Effect {
        self.state = State::Thinking;
        self.answered = Some(lane);
        self.guess = None;
        Effect::Commit { generation: self.generation, lane, text, written }
    }

    fn say(&mut self, text: String) -> Vec<Effect> {
        if self.state != (State::Listening { draft: None }) {
            return vec![Effect::Busy];
        }
        self.speak(text)
    }

    fn speak(&mut self, text: String) -> Vec<Effect> {
        self.generation = self.generation.following();
        self.state = State::Thinking;
        self.answered = None;
        vec![Effect::Speak { generation: self.generation, text }, self.arm_while_thinking()]
    }

    fn wait(&mut self, waiting: Waiting) -> Vec<Effect> {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(waiting);
        }
        Vec::new()
    }

    /// Everybody is silent, and what somebody said is still being transcribed.
    fn is_understanding(&self) -> bool {
        self.voices.is_empty() && !self.unfinished.is_empty()
    }

    /// The first of what waits that may have the floor now. What is written needs no silence.
    fn take_up_what_waits(&mut self) -> Vec<Effect> {
        if self.state != (State::Listening { draft: None }) || self.is_understanding() {
            return Vec::new();
        }
        let silent = self.voices.is_empty();
        let next = self.waiting.iter().position(|waiting| silent || matches!(waiting, Waiting::Written { .. }));
        match next.and_then(|next| self.waiting.remove(next)) {
            None => Vec::new(),
            Some(Waiting::Written { lane, text }) => self.answer_writing(lane, text),
            Some(Waiting::Own { text }) => self.speak(text),
            Some(Waiting::Asked { lane, text } | Waiting::Spoken { lane, text }) => {
                self.generation = self.generation.following();
                vec![self.commit(lane, text, false), self.arm_while_thinking()]
            }
        }
    }

    fn audio_started(&mut self) -> Vec<Effect> {
        if self.state != State::Thinking {
            return Vec::new();
        }
        if self.voices.is_empty() {
            self.state = State::Speaking;
            // Whatever was armed while thinking no longer counts.
            self.due = None;
            return Vec::new();
        }
        self.state = State::Ducked;
        vec![Effect::Duck, self.arm(Deadline::BargeIn)]
    }

    fn drained(&mut self) -> Vec<Effect> {
        let complete = Effect::Complete { generation: self.generation };
        match self.state {
            State::Listening { .. } => Vec::new(),
            State::Thinking | State::Speaking => {
                self.listen();
                vec![complete]
            }
            State::Ducked | State::Resuming => {
                self.listen();
                vec![complete, Effect::Unduck]
            }
        }
    }

    fn failed(&mut self) -> Vec<Effect> {
        match self.state {
            // A draft that could not be opened: the commit will try again.
            State::Listening { .. } => self.interrupt(CancelReason::Withdrawn),
            // An apology for this would fail in the same way, again and again.
            _ if self.answered.is_none() => self.interrupt(CancelReason::Unsaid),
            State::Thinking | State::Speaking => {
                self.listen();
                vec![Effect::Fail { generation: self.generation }]
            }
            State::Ducked | State::Resuming => {
                self.listen();
                vec![Effect::Fail { generation: self.generation }, Effect::Unduck]
            }
        }
    }

    /// Ends whatever is under way and listens.
    fn interrupt(&mut self, reason: CancelReason) -> Vec<Effect> {
        let generation = self.generation;
        match self.state {
            State::Listening { draft: None } => Vec::new(),
            State::Listening { draft: Some(_) } => {
                self.listen();
                vec![Effect::Cancel { generation, reason: CancelReason::Withdrawn }]
            }
            State::Thinking | State::Speaking => {
                self.listen();
                vec![Effect::Cancel { generation, reason }]
            }
            State::Ducked | State::Resuming => {
                self.listen();
                vec![Effect::Cancel { generation, reason }, Effect::Unduck]
            }
        }
    }

    fn deadline_reached(&mut self, deadline: Deadline) -> Vec<Effect> {
        self.due = None;
        match (deadline, self.state) {
            (Deadline::BargeIn, State::Thinking | State::Ducked) | (Deadline::Overlap, State::Ducked) => {
                self.interrupt(CancelReason::Interrupted)
            }
            (Deadline::Resume, State::Resuming) => self.resume(),
            (Deadline::Answer, State::Thinking) => self.interrupt(match self.answered {
                Some(_) => CancelReason::TimedOut,
                None => CancelReason::Unsaid,
            }),
            _ => Vec::new(),
        }
    }

    fn listen(&mut self) {
        self.state = State::Listening { draft: None };
        self.guess = None;
        self.due = None;
    }

    /// Thinking must end by itself: when nobody answers, or when somebody goes on speaking.
    fn arm_while_thinking(&mut self) -> Effect {
        let is_spoken_over = self.voices.iter().any(|lane| self.concerns(*lane));
        self.arm(if is_spoken_over { Deadline::BargeIn } else { Deadline::Answer })
    }

    fn arm(&mut self, deadline: Deadline) -> Effect {
        self.armed = self.armed.following();
        self.due = Some(deadline);
        Effect::Arm { deadline, armed: self.armed }
    }
}

/// By what decides what comes next. How many generations and deadlines there were before does not: they only ever count as
/// the newest or as stale.
impl Hash for Floor {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { state, generation: _, answered, guess, armed: _, due, voices, unfinished, waiting } = self;
        (state, answered, guess, due, voices, unfinished, waiting).hash(hasher);
    }
}

#[cfg(test)]
mod tests;
