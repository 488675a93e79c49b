use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::DropGuard;

/// What a lane tells its session.
#[derive(Debug)]
pub enum Report {
    Began,
    Ended,
    /// What is understood of somebody who is still speaking.
    Partial {
        text: String,
    },
    /// What was said up to a pause.
    Draft {
        text: String,
    },
    /// The same, where the pause is likely to be the end. Comes instead of the draft, or after it. The end waits until the
    /// guard is dropped: when an answer to these words could be heard, or none is made.
    Guess {
        text: String,
        awaited: DropGuard,
    },
    Said {
        text: String,
        timing: Timing,
    },
    /// The utterance was nothing after all.
    Nothing,
    /// Something was said and could not be transcribed.
    Lost,
    /// The lane has ended: the microphone is muted or its owner has left.
    Closed,
}

/// When the end of an utterance was what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// The end of the last window with voice in it.
    pub last_speech: Instant,
    /// How long the silence was to last.
    pub wait: Duration,
    /// That silence has passed.
    pub decided: Instant,
    /// The same, and the transcript is there. Since then the person has waited for an answer; the turn may be committed later,
    /// when the answer that is made ahead can be heard.
    pub finished: Instant,
    /// The transcription, from the first silence on; most of it overlaps the wait for the decision.
    pub decode: Duration,
    /// It began so soon after the utterance before that this one had been taken for whole too early.
    pub went_on: bool,
}
