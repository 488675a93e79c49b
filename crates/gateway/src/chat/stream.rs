//! An answer as it is made: server-sent events, one chunk each.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures::{Stream, stream};
use serde::Serialize;

use super::answer::{Answer, Piece};
use super::wire::{self, Delta};
use crate::problem::Problem;

const DONE: &str = "[DONE]";
/// Proxies that hold text back until there is much of it are asked not to.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Waits for the first piece for `patience`, so that what fails before it still has an HTTP status; then the response
/// begins, and what fails later is an event. Dropped, because the client has gone, it ends the answer.
pub(super) async fn respond(
    mut answer: Answer,
    response: wire::Response,
    include_usage: bool,
    patience: Duration,
    keep_alive: Duration,
) -> Result<Response, Problem> {
    let first = match tokio::time::timeout(patience, answer.next()).await {
        Ok(first) => first?,
        Err(_) => None,
    };
    let mut writer = Writer { response, include_usage, events: VecDeque::new() };
    writer.chunk(Delta::role(), None);
    if let Some(first) = first {
        writer.piece(first);
    }
    let events = Sse::new(events(answer, writer)).keep_alive(KeepAlive::new().interval(keep_alive));
    Ok(([(BUFFERING, HeaderValue::from_static("no"))], events).into_response())
}

fn events(answer: Answer, writer: Writer) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((answer, writer), |(mut answer, mut writer)| async move {
        loop {
            if let Some(event) = writer.events.pop_front() {
                return Some((Ok(event), (answer, writer)));
            }
            match answer.next().await {
                Ok(Some(piece)) => writer.piece(piece),
                Ok(None) => return None,
                // Without the end that clients wait for, so that nobody takes this for a whole answer.
                Err(problem) => writer.event(&problem.object()),
            }
        }
    })
}

struct Writer {
    response: wire::Response,
    include_usage: bool,
    /// Written and not sent yet.
    events: VecDeque<Event>,
}

impl Writer {
    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.chunk(Delta::text(text), None),
            Piece::ToolCall(call) => self.chunk(Delta::tool_call(call), None),
            Piece::End { finish_reason, usage } => {
                self.chunk(Delta::default(), Some(finish_reason));
                if self.include_usage {
                    let event = written(&self.response.usage_chunk(&usage));
                    self.events.push_back(event);
                }
                self.events.push_back(Event::default().data(DONE));
            }
        }
    }

    fn chunk(&mut self, delta: Delta, finish_reason: Option<String>) {
        let event = written(&self.response.chunk(delta, finish_reason, self.include_usage));
        self.events.push_back(event);
    }

    fn event(&mut self, object: &impl Serialize) {
        self.events.push_back(written(object));
    }
}

fn written(object: &impl Serialize) -> Event {
    // Structs of texts and numbers always have a JSON form.
    Event::default().data(serde_json::to_string(object).unwrap_or_default())
}
