//! One room: who has the floor.
//!
//! ```text
//!              Said / Say            AudioStarted           Began               Ended
//!   Listening ───────────► Thinking ─────────────► Speaking ─────► Ducked ─────────────► Resuming
//!       ▲                     │                       │ ▲            │ ▲                    │ │
//!       │   failed, timed out,│               Drained │ │            │ └────── Began ───────┘ │
//!       │   spoken over       │                       │ └────────────┼───── deadline ─────────┘
//!       └─────────────────────┴───────────────────────┴──────────────┘ spoken over long enough
//! ```
//!
//! While the room is listening, a draft opens the next turn early and later ones update it: brain may recall and prefill,
//! nothing is audible or durable until the commit. At most one generation is alive at any time.
//!
//! What must not cut in waits for the floor: what the agent wants to say by itself, and words that were written while
//! somebody else was being answered, or while spoken ones were still being understood. So words are answered in the order
//! in which they were said.

use std::collections::{BTreeSet, VecDeque};

use crate::Generation;

/// What may wait for the floor. Beyond it the agent keeps its own words to itself, and people's words no longer wait.
const MOST_WAITING: usize = 16;

/// Which lane of the room; the shell's number for one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u32);

/// What happened in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A participant's voice began.
    Began {
        lane: LaneId,
    },
    /// A participant's voice ended, or the participant left.
    Ended {
        lane: LaneId,
    },
    /// What a participant has said so far, in a pause that may be the end.
    Draft {
        lane: LaneId,
        text: String,
    },
    /// The draft no longer stands: nothing was said after all, or it can't be known.
    Withdrawn {
        lane: LaneId,
    },
    /// A participant has finished saying this.
    Said {
        lane: LaneId,
        text: String,
    },
    /// A participant has written this.
    Wrote {
        lane: LaneId,
        text: String,
    },
    /// A participant said this before, and never got an answer. It waits for the floor, unless somebody speaks first.
    Asked {
        lane: LaneId,
        text: String,
    },
    /// The agent is to say this by itself, now or not at all: an apology, an operator's words.
    Say {
        text: String,
    },
    /// The agent is to say this by itself as soon as nobody else has the floor: a greeting, news.
    Announce {
        text: String,
    },
    /// The first audible frame of this answer was handed to the room.
    AudioStarted {
        generation: Generation,
    },
    /// The answer is complete and has been played to its end (or there was nothing to play).
    Drained {
        generation: Generation,
    },
    /// The answer can't be completed.
    Failed {
        generation: Generation,
    },
    /// An operator or a client asked for silence.
    Interrupt,
    DeadlineReached {
        deadline: Deadline,
        armed: Generation,
    },
}

/// The waits that the machine asks for. How long each lasts is the shell's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// Speech over the agent's that lasts so long means it.
    BargeIn,
    /// So long after an overlap that came to nothing, the agent is loud again.
    Resume,
    /// An answer that has not begun to be heard by then is given up.
    Answer,
}

/// Why a generation ends before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The turn was never committed: it did not happen.
    Withdrawn,
    /// Somebody spoke over the answer, or asked for silence.
    Interrupted,
    /// Nothing was heard in time, and the person is to be told.
    TimedOut,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open the turn speculatively with the words so far.
    Open { generation: Generation, lane: LaneId, text: String },
    /// The open turn's words so far are these.
    Update { generation: Generation, text: String },
    /// The turn is real: these are the person's words. Opens the turn if no `Open` of this generation came before.
    Commit { generation: Generation, lane: LaneId, text: String, written: bool },
    /// Synthesise and play this text without asking brain.
    Speak { generation: Generation, text: String },
    /// Stop everything of this generation, audio first.
    Cancel { generation: Generation, reason: CancelReason },
    /// The answer was heard to its end.
    Complete { generation: Generation },
    /// Give up on this generation and tell the person.
    Fail { generation: Generation },
    /// Lower the voice: somebody else speaks.
    Duck,
    /// Back to full loudness.
    Unduck,
    /// Report [`Event::DeadlineReached`] with these two values when the time has come.
    Arm { deadline: Deadline, armed: Generation },
    /// `Say` was refused: somebody else has the floor.
    Busy,
}

/// What clients are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Listening,
    Thinking,
    Speaking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Written { lane: LaneId, text: String },
    Asked { lane: LaneId, text: String },
    Own { text: String },
}

/// The machine of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    state: State,
    /// Of the turn that is being drafted, thought about or spoken; of the last one while listening without a draft.
    generation: Generation,
    /// Whose words that turn answers; `None` for what the agent says by itself.
    answered: Option<LaneId>,
    /// Counts armed deadlines; only the newest counts.
    armed: Generation,
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
            armed: Generation::default(),
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
            Event::Withdrawn { lane } => self.withdrawn(lane),
            Event::Said { lane, text } => self.said(lane, text),
            Event::Wrote { lane, text } => self.wrote(lane, text),
            Event::Asked { lane, text } => self.wait(Waiting::Asked { lane, text }),
            Event::Say { text } => self.say(text),
            Event::Announce { text } => self.wait(Waiting::Own { text }),
            Event::AudioStarted { generation } if generation == self.generation => self.audio_started(),
            Event::Drained { generation } if generation == self.generation => self.drained(),
            Event::Failed { generation } if generation == self.generation => self.failed(),
            Event::Interrupt => {
                // Whoever asks for silence does not want to hear what comes next.
                self.waiting.retain(|waiting| matches!(waiting, Waiting::Written { .. }));
                self.interrupt(CancelReason::Interrupted)
            }
            Event::DeadlineReached { deadline, armed } if armed == self.armed => self.deadline_reached(deadline),
            // Stale.
            Event::AudioStarted { .. }
            | Event::Drained { .. }
            | Event::Failed { .. }
            | Event::DeadlineReached { .. } => Vec::new(),
        }
    }

    fn began(&mut self, lane: LaneId) -> Vec<Effect> {
        self.unfinished.insert(lane);
        if !self.voices.insert(lane) || self.voices.len() > 1 {
            return Vec::new();
        }
        match self.state {
            State::Listening { .. } => Vec::new(),
            State::Thinking => vec![self.arm(Deadline::BargeIn)],
            State::Speaking => {
                self.state = State::Ducked;
                vec![Effect::Duck, self.arm(Deadline::BargeIn)]
            }
            // Still quiet from the last overlap.
            State::Resuming => {
                self.state = State::Ducked;
                vec![self.arm(Deadline::BargeIn)]
            }
            // Only reached while another voice is in the set.
            State::Ducked => Vec::new(),
        }
    }

    fn ended(&mut self, lane: LaneId) -> Vec<Effect> {
        if !self.voices.remove(&lane) || !self.voices.is_empty() {
            return Vec::new();
        }
        match self.state {
            State::Ducked => {
                self.state = State::Resuming;
                vec![self.arm(Deadline::Resume)]
            }
            State::Thinking => vec![self.arm(Deadline::Answer)],
            State::Listening { .. } | State::Speaking | State::Resuming => Vec::new(),
        }
    }

    fn draft(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        let State::Listening { draft } = self.state else { return Vec::new() };
        match draft {
            None => {
                self.generation = self.generation.following();
                self.state = State::Listening { draft: Some(lane) };
                vec![Effect::Open { generation: self.generation, lane, text }]
            }
            Some(holder) if holder == lane => vec![Effect::Update { generation: self.generation, text }],
            Some(_) => Vec::new(),
        }
    }

    fn withdrawn(&mut self, lane: LaneId) -> Vec<Effect> {
        self.unfinished.remove(&lane);
        if self.state != (State::Listening { draft: Some(lane) }) {
            return Vec::new();
        }
        self.state = State::Listening { draft: None };
        vec![Effect::Cancel { generation: self.generation, reason: CancelReason::Withdrawn }]
    }

    fn said(&mut self, lane: LaneId, text: String) -> Vec<Effect> {
        self.unfinished.remove(&lane);
        // Whoever speaks now has gone on from what was left unanswered.
        self.waiting.retain(|waiting| !matches!(waiting, Waiting::Asked { .. }));
        let mut effects = Vec::new();
        if self.state != (State::Listening { draft: Some(lane) }) {
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
            Some(Waiting::Asked { lane, text }) => {
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
            self.armed = self.armed.following();
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
            State::Listening { draft: Some(_) } => {
                self.listen();
                vec![Effect::Cancel { generation: self.generation, reason: CancelReason::Withdrawn }]
            }
            State::Listening { draft: None } => Vec::new(),
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
        match (deadline, self.state) {
            (Deadline::BargeIn, State::Thinking | State::Ducked) => self.interrupt(CancelReason::Interrupted),
            (Deadline::Resume, State::Resuming) => {
                self.state = State::Speaking;
                vec![Effect::Unduck]
            }
            (Deadline::Answer, State::Thinking) => self.interrupt(CancelReason::TimedOut),
            _ => Vec::new(),
        }
    }

    fn listen(&mut self) {
        self.state = State::Listening { draft: None };
        self.armed = self.armed.following();
    }

    /// Thinking must end by itself: when nobody answers, or when somebody goes on speaking.
    fn arm_while_thinking(&mut self) -> Effect {
        self.arm(if self.voices.is_empty() { Deadline::Answer } else { Deadline::BargeIn })
    }

    fn arm(&mut self, deadline: Deadline) -> Effect {
        self.armed = self.armed.following();
        Effect::Arm { deadline, armed: self.armed }
    }
}

#[cfg(test)]
mod tests;
