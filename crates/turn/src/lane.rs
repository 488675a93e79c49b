//! One participant: silent, speaking, maybe finished, finished.
//!
//! ```text
//!            Began                Ended                 DeadlineReached, no transcript yet
//!   Silent ────────► Speaking ◄──────────► MaybeFinished ────────────────────────► Finished
//!     ▲                  ▲       Began           │                                    │
//!     │                  └───────────────────────┼──────────── Began ─────────────────┤
//!     └──────────────────────────────────────────┴── transcript and deadline ─────────┘
//! ```
//!
//! The transcript is asked for at the first silence, while the deadline still runs; a person who goes on speaking costs only
//! the cancelled decode.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::Generation;

/// What happened to the lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The person's voice began.
    Began,
    /// The person's voice ended, perhaps only for a breath.
    Ended,
    /// A decode that [`Effect::Transcribe`] asked for is done. Empty text: nobody said anything.
    Transcribed { generation: Generation, text: String },
    /// A decode failed; the reason is the shell's to log.
    TranscriptionFailed { generation: Generation },
    /// The silence asked for by [`Effect::ArmSilenceDeadline`] has lasted.
    DeadlineReached { generation: Generation },
    /// The microphone is muted or the participant left: what was said so far is all there is.
    Closed,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Decode the utterance from its beginning to now.
    Transcribe { generation: Generation },
    /// The decode of this generation is no longer wanted.
    CancelTranscription { generation: Generation },
    /// Report [`Event::DeadlineReached`] when the silence has lasted as long as the policy says.
    ArmSilenceDeadline { generation: Generation },
    /// What the person said so far; they may go on.
    Draft { generation: Generation, text: String },
    /// The person is done and said this. The audio of the utterance may be dropped.
    Finish { text: String },
    /// The person is done and nothing was said: noise, a cough.
    Discard,
    /// The person is done, but what they said could not be transcribed.
    Lose,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Silent,
    Speaking,
    /// Silence; the deadline runs. The transcript of what was said, once it is there.
    MaybeFinished {
        transcript: Option<Outcome>,
    },
    /// The deadline has passed; only the transcript is missing.
    Finished,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Outcome {
    Text(String),
    Failed,
}

impl Outcome {
    fn into_effect(self) -> Effect {
        match self {
            Self::Text(text) if text.is_empty() => Effect::Discard,
            Self::Text(text) => Effect::Finish { text },
            Self::Failed => Effect::Lose,
        }
    }
}

/// The machine of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    state: State,
    generation: Generation,
}

impl Default for Lane {
    fn default() -> Self {
        Self::new()
    }
}

impl Lane {
    pub fn new() -> Self {
        Self { state: State::Silent, generation: Generation::default() }
    }

    /// Whether the person's voice is being heard right now.
    pub fn is_speaking(&self) -> bool {
        self.state == State::Speaking
    }

    /// Whether an utterance is under way, even in a pause.
    pub fn is_open(&self) -> bool {
        self.state != State::Silent
    }

    pub fn next(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Began => self.began(),
            Event::Ended if self.state == State::Speaking => self.pause(),
            Event::Transcribed { generation, text } if generation == self.generation => {
                self.transcribed(Outcome::Text(text))
            }
            Event::TranscriptionFailed { generation } if generation == self.generation => {
                self.transcribed(Outcome::Failed)
            }
            Event::DeadlineReached { generation } if generation == self.generation => self.deadline_reached(),
            Event::Closed => self.closed(),
            // Stale, or nothing that this state waits for.
            Event::Ended
            | Event::Transcribed { .. }
            | Event::TranscriptionFailed { .. }
            | Event::DeadlineReached { .. } => Vec::new(),
        }
    }

    fn began(&mut self) -> Vec<Effect> {
        match std::mem::replace(&mut self.state, State::Speaking) {
            // A draft stands until the next one: what was said was said.
            State::Silent | State::Speaking | State::MaybeFinished { transcript: Some(_) } => Vec::new(),
            State::MaybeFinished { transcript: None } | State::Finished => {
                vec![Effect::CancelTranscription { generation: self.generation }]
            }
        }
    }

    /// The voice stopped: decode what there is and see whether the silence lasts.
    fn pause(&mut self) -> Vec<Effect> {
        self.generation = self.generation.following();
        self.state = State::MaybeFinished { transcript: None };
        let generation = self.generation;
        vec![Effect::Transcribe { generation }, Effect::ArmSilenceDeadline { generation }]
    }

    fn transcribed(&mut self, outcome: Outcome) -> Vec<Effect> {
        match &mut self.state {
            State::MaybeFinished { transcript } if transcript.is_none() => {
                let draft = match &outcome {
                    Outcome::Text(text) if !text.is_empty() => {
                        vec![Effect::Draft { generation: self.generation, text: text.clone() }]
                    }
                    _ => Vec::new(),
                };
                *transcript = Some(outcome);
                draft
            }
            State::Finished => {
                self.state = State::Silent;
                vec![outcome.into_effect()]
            }
            State::Silent | State::Speaking | State::MaybeFinished { .. } => Vec::new(),
        }
    }

    fn deadline_reached(&mut self) -> Vec<Effect> {
        match std::mem::replace(&mut self.state, State::Silent) {
            State::MaybeFinished { transcript: Some(outcome) } => vec![outcome.into_effect()],
            State::MaybeFinished { transcript: None } => {
                self.state = State::Finished;
                Vec::new()
            }
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    /// No more audio will come, so there is no silence to wait for.
    fn closed(&mut self) -> Vec<Effect> {
        match self.state {
            State::Silent | State::Finished => Vec::new(),
            State::Speaking => {
                let mut effects = self.pause();
                effects.retain(|effect| matches!(effect, Effect::Transcribe { .. }));
                self.state = State::Finished;
                effects
            }
            State::MaybeFinished { .. } => self.deadline_reached(),
        }
    }
}

/// By what decides what comes next; how many attempts there were before does not.
impl Hash for Lane {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { state, generation: _ } = self;
        state.hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn generation(number: u32) -> Generation {
        Generation(number)
    }

    fn text(generation_number: u32, text: &str) -> Event {
        Event::Transcribed { generation: generation(generation_number), text: text.to_owned() }
    }

    fn deadline(number: u32) -> Event {
        Event::DeadlineReached { generation: generation(number) }
    }

    /// Feeds the events and returns the effects of the last one.
    fn last(events: impl IntoIterator<Item = Event>) -> Vec<Effect> {
        let mut lane = Lane::new();
        events.into_iter().map(|event| lane.next(event)).last().unwrap_or_default()
    }

    use Event::{Began, Closed, Ended, TranscriptionFailed};

    #[test]
    fn transitions() {
        let asks = |number| {
            vec![
                Effect::Transcribe { generation: generation(number) },
                Effect::ArmSilenceDeadline { generation: generation(number) },
            ]
        };
        let done = || vec![Effect::Finish { text: "hello".to_owned() }];
        let table: Vec<(&str, Vec<Event>, Vec<Effect>)> = vec![
            ("a voice begins", vec![Began], vec![]),
            ("silence asks for a decode and a deadline", vec![Began, Ended], asks(1)),
            (
                "the decode is a draft until the deadline",
                vec![Began, Ended, text(1, "hello")],
                vec![Effect::Draft { generation: generation(1), text: "hello".to_owned() }],
            ),
            ("deadline after transcript", vec![Began, Ended, text(1, "hello"), deadline(1)], done()),
            ("transcript after deadline", vec![Began, Ended, deadline(1), text(1, "hello")], done()),
            (
                "going on cancels the decode",
                vec![Began, Ended, Began],
                vec![Effect::CancelTranscription { generation: generation(1) }],
            ),
            ("going on leaves the draft", vec![Began, Ended, text(1, "hello"), Began], vec![]),
            ("the second pause is a new generation", vec![Began, Ended, Began, Ended], asks(2)),
            ("a stale transcript is nothing", vec![Began, Ended, Began, Ended, text(1, "hello")], vec![]),
            ("a stale deadline is nothing", vec![Began, Ended, Began, Ended, deadline(1)], vec![]),
            ("a cough is discarded", vec![Began, Ended, text(1, ""), deadline(1)], vec![Effect::Discard]),
            (
                "a failed decode is reported",
                vec![Began, Ended, TranscriptionFailed { generation: generation(1) }, deadline(1)],
                vec![Effect::Lose],
            ),
            (
                "leaving in mid-word still decodes",
                vec![Began, Closed],
                vec![Effect::Transcribe { generation: generation(1) }],
            ),
            ("leaving in mid-word still finishes", vec![Began, Closed, text(1, "hello")], done()),
            ("leaving in a pause ends the wait", vec![Began, Ended, text(1, "hello"), Closed], done()),
        ];
        for (name, events, expected) in table {
            assert_eq!(last(events), expected, "{name}");
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Began,
        Ended,
        Answer { text: String, back: u32 },
        Fail { back: u32 },
        Deadline { back: u32 },
        Closed,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Began),
            Just(Step::Ended),
            ("[a-c]{0,2}", 0u32..3).prop_map(|(text, back)| Step::Answer { text, back }),
            (0u32..3).prop_map(|back| Step::Fail { back }),
            (0u32..3).prop_map(|back| Step::Deadline { back }),
            Just(Step::Closed),
        ]
    }

    proptest! {
        /// Every utterance ends exactly once, whatever order the world answers in.
        #[test]
        fn an_utterance_ends_once(steps in prop::collection::vec(step(), 0..60)) {
            let mut lane = Lane::new();
            let mut open = false;
            for step in steps {
                let aged = |back: u32| generation(lane.generation.number().saturating_sub(back));
                let event = match step {
                    Step::Began => { open = true; Event::Began }
                    Step::Ended => Event::Ended,
                    Step::Answer { text, back } => Event::Transcribed { generation: aged(back), text },
                    Step::Fail { back } => Event::TranscriptionFailed { generation: aged(back) },
                    Step::Deadline { back } => Event::DeadlineReached { generation: aged(back) },
                    Step::Closed => Event::Closed,
                };
                let ends = lane.next(event).iter()
                    .filter(|effect| matches!(effect, Effect::Finish { .. } | Effect::Discard | Effect::Lose)).count();
                prop_assert!(ends <= 1);
                if ends == 1 {
                    prop_assert!(open, "ended an utterance that never began");
                    open = false;
                }
                prop_assert_eq!(open, lane.is_open());
            }
            // And there is always a way out.
            lane.next(Event::Closed);
            let effects = lane.next(Event::TranscriptionFailed { generation: lane.generation });
            prop_assert!(!lane.is_open(), "{:?}", effects);
        }
    }
}
