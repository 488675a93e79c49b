//! The simplest shape: one question, one reply.

use std::time::Duration;

use aether_telemetry::metric;
use async_nats::{Request, RequestErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::answer::kind;
use crate::bus::Bus;
use crate::context::Context;
use crate::error::Error;
use crate::{frame, headers};

impl Bus {
    /// Asks whoever answers `subject`, until the context's deadline or, without one, [`crate::Options::request_limit`].
    pub async fn request<Q, R>(&self, context: &Context, subject: &str, question: &Q) -> Result<R, Error>
    where
        Q: Serialize,
        R: DeserializeOwned,
    {
        let began = Instant::now();
        let reply = self.ask(context, subject, question).await;
        came_back(subject, &reply, began);
        reply
    }

    async fn ask<Q, R>(&self, context: &Context, subject: &str, question: &Q) -> Result<R, Error>
    where
        Q: Serialize,
        R: DeserializeOwned,
    {
        let limit = context.deadline().unwrap_or(self.request_limit());
        let until = Instant::now() + limit;
        let payload = frame::encode(subject, question)?;
        timeout_at(until, self.wait_connected()).await.map_err(|_| Error::Disconnected)??;

        let left = until.saturating_duration_since(Instant::now());
        let request = Request::new().headers(Self::outgoing_headers(context)).payload(payload).timeout(Some(left));
        let reply = self
            .client()
            .send_request(subject.to_owned(), request)
            .await
            .map_err(|error| request_error(subject, limit, error.kind(), self.client().max_payload()))?;

        let failed = reply.headers.as_ref().is_some_and(|reply| reply.get(headers::SERVICE_ERROR_CODE).is_some());
        if failed {
            return Err(Error::Remote(frame::decode(subject, &reply.payload)?));
        }
        frame::decode(subject, &reply.payload)
    }
}

/// Measures the way to whoever answers and back.
pub(crate) fn came_back<R>(subject: &str, reply: &Result<R, Error>, began: Instant) {
    let outcome = reply.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok");
    metrics::histogram!(metric::BUS_ROUND_TRIP, "subject" => kind(subject), "outcome" => outcome)
        .record(began.elapsed());
}

fn request_error(subject: &str, limit: Duration, kind: RequestErrorKind, max_payload: usize) -> Error {
    let subject = subject.to_owned();
    match kind {
        RequestErrorKind::TimedOut => Error::TimedOut { what: "the reply", limit },
        RequestErrorKind::NoResponders => Error::NoWorker { subject },
        RequestErrorKind::MaxPayloadExceeded => Error::TooLarge { subject, limit: max_payload },
        RequestErrorKind::InvalidSubject => Error::Encode { subject, reason: "not a subject to publish on".to_owned() },
        RequestErrorKind::Other => Error::Disconnected,
    }
}
