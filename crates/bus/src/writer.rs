//! One direction of a call, the sending end: numbers the frames and keeps their order.

use std::time::Duration;

use async_nats::Client;
use tokio::sync::Mutex;

use crate::error::Error;
use crate::frame::Outgoing;
use crate::headers;

/// How long a frame may wait for a place in the connection's own queue, which fills only while NATS is away.
const STALL_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct FrameWriter {
    client: Client,
    subject: String,
    /// The next number, or `None` after the last frame. Locked while a frame goes out, so that number order is wire order.
    next: Mutex<Option<u64>>,
}

impl FrameWriter {
    pub(crate) fn new(client: Client, subject: String, first: u64) -> Self {
        Self { client, subject, next: Mutex::new(Some(first)) }
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Cancel-safe: a frame that was not handed over took no number.
    pub(crate) async fn write(&self, frame: Outgoing) -> Result<(), Error> {
        self.write_numbered(frame, false).await
    }

    /// Writes the frame after which there is none; a writer that is already closed stays silent.
    pub(crate) async fn close(&self, frame: Outgoing) {
        if let Err(error) = self.write_numbered(frame, true).await {
            tracing::debug!(%error, subject = self.subject, "the last frame of a call was not sent");
        }
    }

    async fn write_numbered(&self, mut frame: Outgoing, last: bool) -> Result<(), Error> {
        let mut next = self.next.lock().await;
        let number = next.ok_or_else(|| Error::Cancelled { reason: "the call is over".to_owned() })?;
        frame.headers.insert(headers::SEQUENCE, number.to_string());

        let publish = self.client.publish_with_headers(self.subject.clone(), frame.headers, frame.payload);
        match tokio::time::timeout(STALL_LIMIT, publish).await {
            Ok(Ok(())) => {
                *next = (!last).then_some(number + 1);
                Ok(())
            }
            Ok(Err(error)) => Err(publish_error(&self.client, &self.subject, &error)),
            Err(_) => Err(Error::Disconnected),
        }
    }
}

pub(crate) fn publish_error(client: &Client, subject: &str, error: &async_nats::PublishError) -> Error {
    use async_nats::client::PublishErrorKind;
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => {
            Error::TooLarge { subject: subject.to_owned(), limit: client.max_payload() }
        }
        PublishErrorKind::InvalidSubject => {
            Error::Encode { subject: subject.to_owned(), reason: "not a subject to publish on".to_owned() }
        }
        _ => Error::Disconnected,
    }
}
