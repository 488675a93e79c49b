//! Durable events: kept by JetStream until each consumer has handled them. Every stream is declared here.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aether_proto::subject;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, AckKind, stream};
use async_nats::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

use crate::bus::Bus;
use crate::context::Context;
use crate::error::Error;
use crate::headers::HeaderError;
use crate::{frame, headers, trace};

/// After this long without a sign of its consumer a message is delivered again: the consumer died.
const ACK_WAIT: Duration = Duration::from_secs(3);
/// How often a consumer that is still at work on a message says so.
const PROGRESS: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
const STREAM_RETRY: Duration = Duration::from_secs(1);
/// How long JetStream may take to confirm that it stored a message, or made a stream.
const STORE_LIMIT: Duration = Duration::from_millis(1500);

/// The durable streams there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurableStream {
    /// The steps of all turns, on `turns.<tenant>.<session>`.
    Turns,
    /// What people may want to know, on `notify.events.<tenant>.<source>`.
    Events,
}

impl DurableStream {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Turns => "TURNS",
            Self::Events => "EVENTS",
        }
    }

    pub(crate) const fn subjects(self) -> &'static str {
        match self {
            Self::Turns => subject::ALL_TURNS,
            Self::Events => subject::ALL_NOTIFY_EVENTS,
        }
    }

    fn config(self) -> stream::Config {
        let (description, max_bytes) = match self {
            Self::Turns => ("what must not be lost of each turn, until it is in the database", 1 << 30),
            Self::Events => ("what people may want to know, until it is in the database", 256 << 20),
        };
        stream::Config {
            name: self.name().to_owned(),
            description: Some(description.to_owned()),
            subjects: vec![self.subjects().to_owned()],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            // Everything is in the database within seconds. A week covers one that is away for a long weekend.
            max_age: Duration::from_secs(7 * 24 * 3600),
            max_bytes,
            discard: DiscardPolicy::Old,
            // Longer than a spool needs to be replayed after a reconnect; what comes later meets the row's own key.
            duplicate_window: Duration::from_secs(600),
            ..Default::default()
        }
    }
}

/// Makes sure that the stream is there and as declared.
pub(crate) async fn declare(bus: &Bus, stream: DurableStream) -> Result<stream::Stream, Error> {
    let not_stored = |reason: String| Error::NotStored { subject: stream.name().to_owned(), reason };
    let mut jetstream = jetstream::new(bus.client().clone());
    jetstream.set_timeout(STORE_LIMIT);
    jetstream.create_or_update_stream(stream.config()).await.map_err(|error| not_stored(error.to_string()))?;
    jetstream.get_stream(stream.name()).await.map_err(|error| not_stored(error.to_string()))
}

/// Returns once JetStream has stored the message. A second one with the same id within ten minutes is stored once.
pub(crate) async fn store(
    bus: &Bus,
    subject: &str,
    message_id: &str,
    mut outgoing: HeaderMap,
    payload: Bytes,
) -> Result<(), Error> {
    let message_id: HeaderValue = message_id
        .parse()
        .map_err(|_| Error::NotStored { subject: subject.to_owned(), reason: "its id can't be a header".to_owned() })?;
    outgoing.insert(header::NATS_MESSAGE_ID, message_id);
    let jetstream = jetstream::new(bus.client().clone());
    let stored = async {
        let confirmation = jetstream
            .publish_with_headers(subject.to_owned(), outgoing, payload)
            .await
            .map_err(|error| error.to_string())?;
        confirmation.await.map(|_| ()).map_err(|error| error.to_string())
    };
    let outcome = tokio::time::timeout(STORE_LIMIT, stored).await;
    outcome
        .unwrap_or_else(|_| Err(format!("no confirmation within {STORE_LIMIT:?}")))
        .map_err(|reason| Error::NotStored { subject: subject.to_owned(), reason })
}

/// Why a handler did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// Deliver it again later: a part that is needed is away.
    #[error("to be delivered again: {0}")]
    Retry(String),
    /// Never deliver it again: no repetition can make it right.
    #[error("given up: {0}")]
    Reject(String),
}

/// Which messages, under which name.
#[derive(Debug, Clone)]
pub struct ConsumeOptions {
    pub stream: DurableStream,
    /// The consumer's name: its place in the stream is kept under it, and processes with the same name share the work.
    pub durable: String,
    /// Only subjects that match, wildcards allowed.
    pub filter: String,
    /// How many messages may be unanswered at once, over all processes. One keeps the stream's order.
    pub in_flight: u16,
}

impl ConsumeOptions {
    /// Everything in the stream, in order.
    pub fn new(stream: DurableStream, durable: impl Into<String>) -> Self {
        Self { stream, durable: durable.into(), filter: stream.subjects().to_owned(), in_flight: 1 }
    }

    fn config(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(self.durable.clone()),
            filter_subject: self.filter.clone(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            max_ack_pending: self.in_flight.max(1).into(),
            ..Default::default()
        }
    }
}

/// A running consumer. Dropping it stops it after the message it is on.
#[derive(Debug)]
pub struct Consumer {
    work: TaskTracker,
    stop: DropGuard,
}

impl Consumer {
    /// Finishes the message it is on.
    pub async fn stop(self) {
        drop(self.stop);
        self.work.close();
        self.work.wait().await;
    }
}

impl Bus {
    /// Publishes into a durable stream and returns once it is stored. A second message with the same id within ten minutes is
    /// stored once. Makes the stream where nobody has yet.
    pub async fn publish_durable<T: Serialize>(
        &self,
        context: &Context,
        stream: DurableStream,
        subject: &str,
        message_id: &str,
        message: &T,
    ) -> Result<(), Error> {
        let payload = frame::encode(subject, message)?;
        self.wait_connected().await?;
        let headers = Self::outgoing_headers(context);
        match store(self, subject, message_id, headers.clone(), payload.clone()).await {
            Ok(()) => Ok(()),
            Err(_) => {
                declare(self, stream).await?;
                store(self, subject, message_id, headers, payload).await
            }
        }
    }

    /// Gives each message to `handler`, one after the other, and answers for it only after the handler has returned: a
    /// message whose handler fails, or whose process dies, comes again. So the handler must bear being called twice.
    /// Waits for NATS and the stream for as long as it takes.
    pub fn consume<T, F>(
        &self,
        options: ConsumeOptions,
        handler: impl Fn(Context, T) -> F + Send + Sync + 'static,
    ) -> Consumer
    where
        T: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<(), ConsumeError>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let work = TaskTracker::new();
        let consuming = Consuming { bus: self.clone(), options, stop: stop.clone() };
        work.spawn(consuming.run(Arc::new(handler)));
        Consumer { work, stop: stop.drop_guard() }
    }
}

struct Consuming {
    bus: Bus,
    options: ConsumeOptions,
    stop: CancellationToken,
}

impl Consuming {
    async fn run<T, F, H>(self, handler: Arc<H>)
    where
        T: DeserializeOwned,
        F: Future<Output = Result<(), ConsumeError>>,
        H: Fn(Context, T) -> F,
    {
        while !self.stop.is_cancelled() {
            if let Err(error) = self.follow(handler.as_ref()).await {
                tracing::warn!(%error, durable = self.options.durable, "a durable consumer lost its stream, trying again");
                self.stop.run_until_cancelled(tokio::time::sleep(STREAM_RETRY)).await;
            }
        }
    }

    async fn follow<T, F, H>(&self, handler: &H) -> Result<(), Error>
    where
        T: DeserializeOwned,
        F: Future<Output = Result<(), ConsumeError>>,
        H: Fn(Context, T) -> F,
    {
        let mut connected = self.bus.connected();
        let is_there = connected.wait_for(|connected| *connected);
        let Some(is_there) = self.stop.run_until_cancelled(is_there).await else { return Ok(()) };
        is_there.map_err(|_| Error::Disconnected)?;
        // What was asked of the server goes with the connection; asking anew is quicker than finding that out.
        let mut messages = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(()),
            _ = connected.changed() => return Ok(()),
            messages = self.open() => messages?,
        };
        loop {
            let message = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                _ = connected.changed() => return Ok(()),
                message = messages.next() => message,
            };
            let Some(message) = message else { return Err(self.lost(&"the stream of messages ended")) };
            let message = message.map_err(|error| self.lost(&error))?;
            let answer = self.handle(&message, handler).await;
            message.ack_with(answer).await.map_err(|error| self.lost(&error))?;
        }
    }

    async fn open(&self) -> Result<pull::Stream, Error> {
        let stream = declare(&self.bus, self.options.stream).await?;
        let consumer = stream.create_consumer(self.options.config()).await.map_err(|error| self.lost(&error))?;
        consumer.messages().await.map_err(|error| self.lost(&error))
    }

    async fn handle<T, F, H>(&self, message: &jetstream::Message, handler: &H) -> AckKind
    where
        T: DeserializeOwned,
        F: Future<Output = Result<(), ConsumeError>>,
        H: Fn(Context, T) -> F,
    {
        let (context, typed) = match read::<T>(message) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, subject = %message.subject, "a durable event can't be read and is put aside");
                return AckKind::Term;
            }
        };
        let mut span = info_span!(
            "consume",
            otel.name = self.options.stream.subjects(),
            otel.kind = "consumer",
            tenant = %context.tenant,
            session = context.session.map(tracing::field::display),
        );
        if let Some(received) = &message.headers {
            span = trace::continue_in(span, received);
        }
        self.attend(message, handler(context, typed)).instrument(span).await
    }

    /// Waits for the handler and says meanwhile that it goes on.
    async fn attend(
        &self,
        message: &jetstream::Message,
        handling: impl Future<Output = Result<(), ConsumeError>>,
    ) -> AckKind {
        let mut handling = pin!(handling);
        let handled = loop {
            match tokio::time::timeout(PROGRESS, &mut handling).await {
                Ok(handled) => break handled,
                Err(_) => {
                    if let Err(error) = message.ack_with(AckKind::Progress).await {
                        tracing::debug!(%error, "a sign of progress was not sent");
                    }
                }
            }
        };
        match handled {
            Ok(()) => AckKind::Ack,
            Err(error @ ConsumeError::Retry(_)) => {
                let delivered = message.info().map_or(1, |info| info.delivered);
                let delay = retry_delay(delivered);
                tracing::warn!(%error, delivered, ?delay, subject = %message.subject, "a durable event was not handled");
                AckKind::Nak(Some(delay))
            }
            Err(error @ ConsumeError::Reject(_)) => {
                tracing::error!(%error, subject = %message.subject, "a durable event was refused and is put aside");
                AckKind::Term
            }
        }
    }

    fn lost(&self, error: &impl ToString) -> Error {
        Error::NotStored { subject: self.options.stream.name().to_owned(), reason: error.to_string() }
    }
}

fn read<T: DeserializeOwned>(message: &jetstream::Message) -> Result<(Context, T), Error> {
    let received = message.headers.as_ref().ok_or(HeaderError::Missing { name: "Aether-Tenant" })?;
    Ok((headers::read_context(received)?, frame::decode(&message.subject, &message.payload)?))
}

fn retry_delay(delivered: i64) -> Duration {
    let doublings = u32::try_from(delivered.clamp(1, 10) - 1).unwrap_or(0);
    (Duration::from_millis(100) * 2u32.pow(doublings)).min(LONGEST_RETRY)
}
