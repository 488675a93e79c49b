//! What goes into the floor and what comes out of it.

use serde::{Deserialize, Serialize};

use crate::Generation;

/// Which lane of the room; the shell's number for one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub u32);

/// What happened in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A participant's voice began.
    Began {
        lane: LaneId,
    },
    /// A participant's voice ended, or the participant left.
    Ended {
        lane: LaneId,
    },
    /// What a participant has said so far.
    Draft {
        lane: LaneId,
        text: String,
    },
    /// What a participant has said, in a pause that is likely to be the end.
    Guess {
        lane: LaneId,
        text: String,
    },
    /// What is understood of a voice that is heard now: whether it is meant for the agent, or only a sign of listening, a
    /// noise, the agent's own echo.
    Overheard {
        lane: LaneId,
        meant: bool,
    },
    /// The utterance came to nothing: nothing was said after all, or nothing that asks for an answer, or it can't be known.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deadline {
    /// Speech over the agent's that lasts so long, and of which nothing was understood meanwhile, means it.
    BargeIn,
    /// The same of speech of which something was understood, and it was not meant. Longer: on a busy machine the next words are
    /// not understood sooner.
    Overlap,
    /// So long after an overlap of which it does not become known what it was, the agent is loud again.
    Resume,
    /// An answer that has not begun to be heard by then is given up.
    Answer,
}

/// Why a generation ends before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CancelReason {
    /// The turn was never committed: it did not happen.
    Withdrawn,
    /// Somebody spoke over the answer, or asked for silence.
    Interrupted,
    /// Nothing was heard in time, and the person is to be told.
    TimedOut,
    /// What the agent wanted to say by itself could not be said. Nobody asked for it, so nobody is told.
    Unsaid,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Open the turn speculatively with the words so far.
    Open { generation: Generation, lane: LaneId, text: String },
    /// The open turn's words so far are these.
    Update { generation: Generation, text: String },
    /// The open turn may end with these words: make the answer ahead, and let nobody hear it before the commit.
    Guess { generation: Generation, text: String },
    /// The turn is real: these are the person's words, the same as the last guess if there was one. Opens the turn if no
    /// `Open` of this generation came before.
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
