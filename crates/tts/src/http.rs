//! `POST /tts/stream`: a text in, WAV or bare PCM out while it is being made.

use std::io;

use aether_audio::wav;
use aether_proto::{Error, ErrorCode};
use aether_telemetry::span_from_remote;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tracing::{Instrument, info_span};

use crate::request::{MAX_TEXT_BYTES, Request};
use crate::synthesiser::{Piece, Synthesis, Synthesiser};
use crate::wanted::{Format, Wanted};

/// Escapes in JSON make a text up to six times as long.
const MAX_BODY_BYTES: usize = MAX_TEXT_BYTES * 6 + 1024;

/// The rate of the PCM that follows; WAV says it in its own header too.
const SAMPLE_RATE: HeaderName = HeaderName::from_static("aether-sample-rate-hz");

/// The door, which answers `tts_unavailable` until there is a synthesiser.
pub(crate) fn router(synthesiser: watch::Receiver<Option<Synthesiser>>) -> Router {
    Router::new().route("/tts/stream", post(stream_speech).fallback(only_post)).with_state(synthesiser)
}

async fn stream_speech(
    State(synthesiser): State<watch::Receiver<Option<Synthesiser>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let span = span_from_remote(info_span!("POST /tts/stream", otel.kind = "server"), traceparent);
    let content_type = header(header::CONTENT_TYPE).unwrap_or_default();
    async {
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
            ErrorCode::InvalidArgument
                .error(format_args!("the body can't be read; send at most {MAX_BODY_BYTES} bytes"))
        })?;
        let wanted = Wanted::parse(content_type, &uri, &body)?;
        let synthesiser = synthesiser.borrow().clone().ok_or_else(|| {
            ErrorCode::TtsUnavailable.error("the voice is not loaded yet; /health says what is missing")
        })?;
        let request = Request::new(wanted.text, &wanted.voice, wanted.speed, synthesiser.voice_name())?;
        let mut synthesis = synthesiser.start(&request)?;
        // A voice that fails at once is an error with a status, not a broken stream.
        let first = next_pcm(&mut synthesis).await?;
        Ok(answer(wanted.format, synthesiser.sample_rate_hz(), first, synthesis))
    }
    .instrument(span)
    .await
}

async fn only_post() -> Failure {
    Failure(ErrorCode::InvalidArgument.error("only POST is answered here"), Some(StatusCode::METHOD_NOT_ALLOWED))
}

fn answer(format: Format, sample_rate_hz: u32, first: Option<Bytes>, synthesis: Synthesis) -> Response {
    let (content_type, head) = match format {
        Format::Wav => ("audio/wav".to_owned(), Some(Bytes::copy_from_slice(&wav::streaming_header(sample_rate_hz)))),
        Format::Pcm => (format!("audio/pcm;rate={sample_rate_hz};channels=1;encoding=s16le"), None),
    };
    let begin = stream::iter(head.into_iter().chain(first).map(Ok));
    let headers = [(header::CONTENT_TYPE, content_type), (SAMPLE_RATE, sample_rate_hz.to_string())];
    (headers, Body::from_stream(begin.chain(rest(synthesis)))).into_response()
}

/// The PCM that is still to come. An error breaks the connection, which is all that HTTP can still say.
fn rest(synthesis: Synthesis) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(synthesis), |synthesis| async {
        let mut synthesis = synthesis?;
        match next_pcm(&mut synthesis).await {
            Ok(Some(pcm)) => Some((Ok(pcm), Some(synthesis))),
            Ok(None) => None,
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    })
}

async fn next_pcm(synthesis: &mut Synthesis) -> Result<Option<Bytes>, Error> {
    loop {
        match synthesis.next().await? {
            Some(Piece::Pcm(pcm)) => return Ok(Some(pcm)),
            Some(Piece::Mark(_)) => {}
            None => return Ok(None),
        }
    }
}

/// An error as HTTP says it: `{"error": {"code", "message"}}` with the code's status.
struct Failure(Error, Option<StatusCode>);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into(), None)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error, status) = self;
        let by_code = || StatusCode::from_u16(error.error_code().http_status()).ok();
        let status = status.or_else(by_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({ "error": { "code": error.code, "message": error.message } });
        let retry = (error.retry_after_ms > 0)
            .then(|| (header::RETRY_AFTER, HeaderValue::from(error.retry_after_ms.div_ceil(1000))));
        (status, HeaderMap::from_iter(retry), axum::Json(body)).into_response()
    }
}
