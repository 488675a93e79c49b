//! What an HTTP request asks for, from its parts. Pure.

use aether_proto::{Error, ErrorCode};
use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;

/// The shape of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Wav,
    /// Little-endian PCM16, one channel, nothing around it.
    Pcm,
}

/// `{"text": …, "voice"?: …, "speed"?: …, "format"?: "wav"|"pcm"}`; a plain text has all but `text` in the query.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) voice: String,
    #[serde(default)]
    pub(crate) speed: f32,
    #[serde(default)]
    pub(crate) format: Format,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlainQuery {
    voice: String,
    speed: f32,
    format: Format,
}

impl Wanted {
    pub(crate) fn parse(content_type: &str, uri: &Uri, body: &[u8]) -> Result<Self, Error> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            return serde_json::from_slice(body).map_err(|error| {
                refused(format_args!("the body is not the JSON that was expected ({{\"text\": …}}): {error}"))
            });
        }
        if media_type.eq_ignore_ascii_case("text/plain") {
            let text = str::from_utf8(body).map_err(|_| refused("the text is not UTF-8"))?.to_owned();
            let Query(PlainQuery { voice, speed, format }) = Query::try_from_uri(uri).map_err(refused)?;
            return Ok(Self { text, voice, speed, format });
        }
        Err(refused("the content type is neither application/json nor text/plain"))
    }
}

fn refused(message: impl std::fmt::Display) -> Error {
    ErrorCode::InvalidArgument.error(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str, voice: &str, speed: f32, format: Format) -> Wanted {
        Wanted { text: text.to_owned(), voice: voice.to_owned(), speed, format }
    }

    fn uri(query: &str) -> Uri {
        format!("/tts/stream?{query}").parse().unwrap()
    }

    #[test]
    fn json_and_plain_text_ask_for_the_same_things() {
        for (content_type, query, body, asked) in [
            ("application/json", "", r#"{"text":"hi"}"#, wanted("hi", "", 0.0, Format::Wav)),
            (
                "application/json; charset=utf-8",
                "",
                r#"{"text":"hi","voice":"joe","speed":1.5,"format":"pcm"}"#,
                wanted("hi", "joe", 1.5, Format::Pcm),
            ),
            ("text/plain", "", "hi", wanted("hi", "", 0.0, Format::Wav)),
            ("Text/Plain;charset=utf-8", "voice=joe&speed=1.5&format=pcm", "hi", wanted("hi", "joe", 1.5, Format::Pcm)),
        ] {
            assert_eq!(Wanted::parse(content_type, &uri(query), body.as_bytes()).unwrap(), asked);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for (content_type, query, body, said) in [
            ("", "", &b"hi"[..], "neither application/json nor text/plain"),
            ("application/x-www-form-urlencoded", "", b"text=hi", "neither application/json nor text/plain"),
            ("application/json", "", b"", "EOF"),
            ("application/json", "", b"hi", "not the JSON"),
            ("application/json", "", b"{}", "missing field `text`"),
            ("application/json", "", br#"{"text":1}"#, "expected a string"),
            ("application/json", "", br#"{"text":"hi","speed":"fast"}"#, "expected f32"),
            ("application/json", "", br#"{"text":"hi","format":"mp3"}"#, "expected `wav` or `pcm`"),
            ("application/json", "", br#"{"text":"hi","pitch":2}"#, "unknown field `pitch`"),
            ("text/plain", "", b"\xff\xfe", "not UTF-8"),
            ("text/plain", "speed=fast", b"hi", "invalid float"),
            ("text/plain", "pitch=2", b"hi", "unknown field `pitch`"),
        ] {
            let error = Wanted::parse(content_type, &uri(query), body).unwrap_err();
            assert_eq!(error.error_code(), ErrorCode::InvalidArgument);
            assert!(error.message.contains(said), "{said:?} is not in {:?}", error.message);
        }
    }
}
