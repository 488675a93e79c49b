//! What the caller of a turn sends, checked once.

use std::sync::Arc;

use aether_bus::Frame;
use aether_proto::{
    AgentId, BrainInput, Commit, ErrorCode, Modality, Open, PersonId, SessionId, TenantId, TurnId, Update, brain_input,
};
use aether_telemetry::metric;

use crate::conversation::Given;

/// The longest text that a person may say or write in one turn, in bytes. More than a model may hold: the prompt shortens it.
pub const MAX_WORDS: usize = 64 * 1024;

/// A turn as it was opened.
#[derive(Debug, Clone)]
pub struct Opening {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub session: SessionId,
    pub turn: TurnId,
    pub generation: u32,
    /// `None` when nobody in particular speaks; then nothing is recalled.
    pub person: Option<PersonId>,
    pub person_name: String,
    pub room: String,
    pub words: String,
    pub modality: Modality,
    pub given: Arc<Given>,
    pub off_the_record: bool,
    pub label_speakers: bool,
}

impl Opening {
    pub fn read(tenant: &TenantId, agent: &AgentId, input: &BrainInput) -> Result<Self, aether_proto::Error> {
        let Some(brain_input::Input::Open(open)) = &input.input else {
            return Err(invalid("a brain.request call begins with open"));
        };
        let Open { session_id, turn_id, generation, person_id, person_name, room, words, .. } = open;
        let given = Given::read(open)?;
        check_words(words)?;
        let person = match person_id.as_str() {
            "" => None,
            id => Some(PersonId::new(id).map_err(invalid)?),
        };
        Ok(Self {
            tenant: tenant.clone(),
            agent: agent.clone(),
            session: session_id.parse().map_err(invalid)?,
            turn: turn_id.parse().map_err(invalid)?,
            generation: *generation,
            person,
            person_name: person_name.clone(),
            room: room.clone(),
            words: words.clone(),
            modality: open.modality(),
            given: Arc::new(given),
            off_the_record: open.off_the_record,
            label_speakers: open.label_speakers,
        })
    }

    /// How others call the person.
    pub fn speaker(&self) -> &str {
        match (self.person_name.as_str(), &self.person) {
            ("", Some(person)) => person.as_str(),
            (name, _) => name,
        }
    }
}

/// What follows the opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The words so far.
    Update(Words),
    /// These may be all the words: an answer to them may be begun.
    Guess(Words),
    /// These are all the words.
    Commit(Words),
}

/// What a person has said, as one attempt at their turn has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub generation: u32,
    pub text: String,
}

impl Input {
    pub fn read(frame: Frame<BrainInput>) -> Result<Self, aether_proto::Error> {
        let input = match frame {
            Frame::Message(BrainInput { input }) => input,
            Frame::Audio(_) => return Err(invalid("brain.request takes no audio")),
        };
        match input {
            Some(brain_input::Input::Update(Update { generation, words, guess })) => {
                let words = Words::checked(generation, words)?;
                Ok(if guess { Self::Guess(words) } else { Self::Update(words) })
            }
            Some(brain_input::Input::Commit(Commit { generation, text })) => {
                Ok(Self::Commit(Words::checked(generation, text)?))
            }
            Some(brain_input::Input::Open(_)) | None => {
                Err(invalid("after open, a brain.request call takes update and commit"))
            }
        }
    }

    /// Whether it belongs to an attempt before `generation`. Then it is counted, and nothing else may come of it.
    pub fn is_stale(&self, generation: u32) -> bool {
        let (what, words) = match self {
            Self::Update(words) | Self::Guess(words) => ("brain_update", words),
            Self::Commit(words) => ("brain_commit", words),
        };
        let is_stale = words.generation < generation;
        if is_stale {
            metrics::counter!(metric::STALE, "what" => what).increment(1);
        }
        is_stale
    }
}

impl Words {
    fn checked(generation: u32, text: String) -> Result<Self, aether_proto::Error> {
        check_words(&text)?;
        Ok(Self { generation, text })
    }

    /// Whether these are the words of `text`, however they are set apart.
    pub fn are(&self, text: &str) -> bool {
        are_same_words(&self.text, text)
    }
}

pub fn are_same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

pub fn check_words(words: &str) -> Result<(), aether_proto::Error> {
    match words.len() {
        0..=MAX_WORDS => Ok(()),
        length => Err(invalid(format_args!("{length} bytes are more than the {MAX_WORDS} that one turn may have"))),
    }
}

pub fn invalid(reason: impl std::fmt::Display) -> aether_proto::Error {
    ErrorCode::InvalidArgument.error(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(open: Open) -> Result<Opening, aether_proto::Error> {
        let input = BrainInput { input: Some(brain_input::Input::Open(open)) };
        Opening::read(&TenantId::new("t").unwrap(), &AgentId::new("a").unwrap(), &input)
    }

    #[test]
    fn what_is_wrong_with_an_opening_is_said() {
        let good = Open {
            session_id: SessionId::generate().to_string(),
            turn_id: TurnId::generate().to_string(),
            person_id: "ada".into(),
            ..Open::default()
        };
        assert!(read(good.clone()).is_ok());
        assert!(read(Open { person_id: String::new(), ..good.clone() }).unwrap().person.is_none());
        for (open, reason) in [
            (Open { session_id: "x".into(), ..good.clone() }, "session id is not a UUID"),
            (Open { turn_id: String::new(), ..good.clone() }, "turn id is not a UUID"),
            (Open { person_id: "a\nb".into(), ..good.clone() }, "person id contains the control character U+000A"),
            (
                Open { words: "x".repeat(MAX_WORDS + 1), ..good },
                "65537 bytes are more than the 65536 that one turn may have",
            ),
        ] {
            let error = read(open).unwrap_err();
            assert_eq!((error.code.as_str(), error.message.as_str()), ("invalid_argument", reason));
        }
    }

    #[test]
    fn what_an_older_attempt_sends_is_stale() {
        let words = Words { generation: 2, text: "what is".into() };
        for input in [Input::Update(words.clone()), Input::Guess(words.clone()), Input::Commit(words)] {
            assert!(input.is_stale(3) && !input.is_stale(2) && !input.is_stale(1), "{input:?}");
        }
    }

    #[test]
    fn words_are_the_same_however_they_are_set_apart() {
        let words = Words { generation: 0, text: " What is  it?\n".into() };
        assert!(words.are("What is it?"));
        assert!(!words.are("What is it") && !words.are("what is it?") && !words.are("What is"));
    }
}
