//! What may be asked for. Pure: both doors check here, so both refuse the same things with the same words.

use aether_proto::{Error, ErrorCode};
use aether_speech::tts::SPEEDS;

/// Longest text, in bytes of UTF-8: some five minutes of speech, all of which may have to wait in memory for its listener.
pub const MAX_TEXT_BYTES: usize = 4 * 1024;

/// A text that can be spoken, and how quickly.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    text: String,
    speed: f32,
}

/// Why a text is not spoken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the text is empty; send at least one word")]
    Empty,
    #[error("the text is {bytes} bytes long, the limit is {MAX_TEXT_BYTES}; send it in parts")]
    TooLong { bytes: usize },
    #[error("there is no voice `{}` here; leave it out or ask for `{known}`", shown(voice))]
    UnknownVoice { voice: String, known: String },
    #[error("the speed is {speed}, expected a number from {} to {}", SPEEDS.start(), SPEEDS.end())]
    Speed { speed: f32 },
}

impl Request {
    /// A request to the voice `known`. An empty `voice` means that one; a speed of 0, the value of an absent field, means 1.
    pub fn new(text: impl Into<String>, voice: &str, speed: f32, known: &str) -> Result<Self, Refusal> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(Refusal::Empty);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(Refusal::TooLong { bytes: text.len() });
        }
        if !voice.is_empty() && voice != known {
            return Err(Refusal::UnknownVoice { voice: voice.to_owned(), known: known.to_owned() });
        }
        let speed = if speed == 0.0 { 1.0 } else { speed };
        if !SPEEDS.contains(&speed) {
            return Err(Refusal::Speed { speed });
        }
        Ok(Self { text, speed })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn speed(&self) -> f32 {
        self.speed
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        ErrorCode::InvalidArgument.error(refusal)
    }
}

/// The name as far as it helps: it may be anything that somebody sent.
fn shown(voice: &str) -> String {
    voice.chars().filter(|character| !character.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, voice: &str, speed: f32) -> String {
        Request::new(text, voice, speed, "joe").unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_with_the_way_out() {
        for (text, voice, speed, said) in [
            ("", "", 1.0, "the text is empty; send at least one word"),
            (" \n\t", "", 1.0, "the text is empty; send at least one word"),
            ("hi", "ann", 1.0, "there is no voice `ann` here; leave it out or ask for `joe`"),
            ("hi", "a\n\u{1b}b", 1.0, "there is no voice `ab` here; leave it out or ask for `joe`"),
            ("hi", "", 0.1, "the speed is 0.1, expected a number from 0.25 to 4"),
            ("hi", "", -1.0, "the speed is -1, expected a number from 0.25 to 4"),
            ("hi", "", f32::NAN, "the speed is NaN, expected a number from 0.25 to 4"),
            ("hi", "", f32::INFINITY, "the speed is inf, expected a number from 0.25 to 4"),
        ] {
            assert_eq!(refusal(text, voice, speed), said);
        }
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(refusal(&long, "", 1.0), "the text is 4097 bytes long, the limit is 4096; send it in parts");
    }

    #[test]
    fn an_absent_voice_and_an_absent_speed_are_the_defaults() {
        let request = Request::new("hi", "", 0.0, "joe").unwrap();
        assert_eq!((request.text(), request.speed()), ("hi", 1.0));
        assert_eq!(Request::new("hi", "joe", 1.0, "joe"), Ok(request));
    }
}
