//! One frame of a call, as callers see it and as it crosses the wire.

use aether_proto::{Accepted, Credit, End, end};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::headers::{self, HeaderError};

/// What a call carries: typed messages, and audio between them.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame<T> {
    Message(T),
    Audio(AudioFrame),
}

/// A stretch of little-endian 16-bit PCM, channels interleaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    pub sample_rate_hz: u32,
    pub channels: u16,
    pub pcm: Bytes,
}

/// A frame before it has its number.
pub(crate) struct Outgoing {
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl Outgoing {
    fn new(kind: &'static str, payload: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(headers::FRAME, kind);
        Self { headers, payload }
    }

    fn json(kind: &'static str, subject: &str, message: &impl Serialize) -> Result<Self, Error> {
        Ok(Self::new(kind, encode(subject, message)?))
    }

    pub(crate) fn open(subject: &str, message: &impl Serialize) -> Result<Self, Error> {
        Self::json("open", subject, message)
    }

    pub(crate) fn accepted(subject: &str, accepted: &Accepted) -> Result<Self, Error> {
        Self::json("accepted", subject, accepted)
    }

    pub(crate) fn message(subject: &str, message: &impl Serialize) -> Result<Self, Error> {
        Self::json("message", subject, message)
    }

    pub(crate) fn audio(audio: AudioFrame) -> Self {
        let mut frame = Self::new("audio", audio.pcm);
        frame.headers.insert(headers::SAMPLE_RATE, audio.sample_rate_hz.to_string());
        frame.headers.insert(headers::CHANNELS, audio.channels.to_string());
        frame
    }

    pub(crate) fn credit(subject: &str, frames: u32) -> Result<Self, Error> {
        Self::json("credit", subject, &Credit { frames })
    }

    pub(crate) fn keepalive() -> Self {
        Self::new("keepalive", Bytes::new())
    }

    pub(crate) fn cancel(subject: &str, reason: &str) -> Result<Self, Error> {
        Self::json("cancel", subject, &end::Cancelled { reason: reason.to_owned() })
    }

    pub(crate) fn end(subject: &str, outcome: end::Outcome) -> Result<Self, Error> {
        Self::json("end", subject, &End { outcome: Some(outcome) })
    }
}

/// A frame that arrived, before its message is given a type.
#[derive(Debug)]
pub(crate) enum Received {
    Open,
    Accepted(Accepted),
    Content(Content),
    Credit(u32),
    Keepalive,
    Cancel(String),
    End(Result<(), Error>),
}

impl Received {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted(_) => "accepted",
            Self::Content(_) => "message",
            Self::Credit(_) => "credit",
            Self::Keepalive => "keepalive",
            Self::Cancel(_) => "cancel",
            Self::End(_) => "end",
        }
    }
}

/// The two kinds of frame that the people at both ends see.
#[derive(Debug)]
pub(crate) enum Content {
    Message(Bytes),
    Audio(AudioFrame),
}

impl Content {
    pub(crate) fn typed<T: DeserializeOwned>(self, subject: &str) -> Result<Frame<T>, Error> {
        Ok(match self {
            Self::Message(payload) => Frame::Message(decode(subject, &payload)?),
            Self::Audio(audio) => Frame::Audio(audio),
        })
    }
}

/// The number and the meaning of a message that should be a frame.
pub(crate) fn read(message: Message) -> Result<(u64, Received), Error> {
    let subject = message.subject.as_str();
    let headers = message.headers.as_ref().ok_or(HeaderError::Missing { name: "Aether-Frame" })?;
    let kind = headers.get(headers::FRAME).ok_or(HeaderError::Missing { name: "Aether-Frame" })?.as_str();
    let sequence = headers::required(headers, headers::SEQUENCE, "Aether-Sequence", "a number", headers::parse::<u64>)?;

    let received = match kind {
        "open" => Received::Open,
        "accepted" => Received::Accepted(decode(subject, &message.payload)?),
        "message" => Received::Content(Content::Message(message.payload)),
        "audio" => Received::Content(Content::Audio(read_audio(headers, message.payload.clone())?)),
        "credit" => Received::Credit(decode::<Credit>(subject, &message.payload)?.frames),
        "keepalive" => Received::Keepalive,
        "cancel" => Received::Cancel(decode::<end::Cancelled>(subject, &message.payload)?.reason),
        "end" => Received::End(read_end(decode(subject, &message.payload)?)),
        _ => {
            return Err(HeaderError::Malformed { name: "Aether-Frame", expected: "a kind of frame known here" }.into());
        }
    };
    Ok((sequence, received))
}

fn read_audio(headers: &HeaderMap, pcm: Bytes) -> Result<AudioFrame, HeaderError> {
    let sample_rate_hz =
        headers::required(headers, headers::SAMPLE_RATE, "Aether-Sample-Rate-Hz", "a sample rate in Hz", |text| {
            headers::parse(text).filter(|rate: &u32| *rate > 0)
        })?;
    let channels = headers::required(headers, headers::CHANNELS, "Aether-Channels", "a number of channels", |text| {
        headers::parse(text).filter(|channels: &u16| *channels > 0)
    })?;
    Ok(AudioFrame { sample_rate_hz, channels, pcm })
}

fn read_end(end: End) -> Result<(), Error> {
    match end.outcome {
        Some(end::Outcome::Ok(_)) => Ok(()),
        Some(end::Outcome::Error(error)) => Err(Error::Remote(error)),
        Some(end::Outcome::Cancelled(cancelled)) => Err(Error::Cancelled { reason: cancelled.reason }),
        None => Err(Error::Protocol("the call ended without saying how".to_owned())),
    }
}

pub(crate) fn encode(subject: &str, message: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(message)
        .map(Bytes::from)
        .map_err(|error| Error::Encode { subject: subject.to_owned(), reason: error.to_string() })
}

pub(crate) fn decode<T: DeserializeOwned>(subject: &str, payload: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(payload).map_err(|error| Error::Decode {
        subject: subject.to_owned(),
        // Where it went wrong, not what was there: the text may be somebody's words.
        reason: format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
            .to_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arrived(headers: HeaderMap, payload: Bytes) -> Message {
        Message {
            subject: "inbox".into(),
            reply: None,
            length: payload.len(),
            payload,
            headers: Some(headers),
            status: None,
            description: None,
        }
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_or_refused(
            kind in prop_oneof![
                Just("open".to_owned()), Just("accepted".to_owned()), Just("audio".to_owned()), Just("credit".to_owned()),
                Just("end".to_owned()), Just("cancel".to_owned()), "[^\r\n]{0,12}"
            ],
            sequence in prop_oneof![any::<u64>().prop_map(|number| number.to_string()), "[^\r\n]{0,12}"],
            rate in "[^\r\n]{0,6}",
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(headers::FRAME, kind.as_str());
            headers.insert(headers::SEQUENCE, sequence.as_str());
            headers.insert(headers::SAMPLE_RATE, rate.as_str());
            headers.insert(headers::CHANNELS, "1");
            let _ = read(arrived(headers, payload.into()));
        }

        #[test]
        fn audio_survives_the_wire(sample_rate_hz in 1u32.., channels in 1u16.., pcm in proptest::collection::vec(any::<u8>(), 0..64)) {
            let sent = AudioFrame { sample_rate_hz, channels, pcm: pcm.into() };
            let mut outgoing = Outgoing::audio(sent.clone());
            outgoing.headers.insert(headers::SEQUENCE, "7");
            let (sequence, received) = read(arrived(outgoing.headers, outgoing.payload)).unwrap();
            prop_assert_eq!(sequence, 7);
            let Received::Content(Content::Audio(back)) = received else { panic!("not audio: {received:?}") };
            prop_assert_eq!(back, sent);
        }
    }

    #[test]
    fn an_unreadable_message_does_not_repeat_its_text() {
        let error = decode::<u32>("inbox", b"\"my secret\"").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
