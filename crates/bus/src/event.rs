//! Events: told to whoever listens at this moment, and to nobody else.

use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::Poll;

use async_nats::{Message, Subscriber};
use futures::{Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use crate::bus::Bus;
use crate::context::Context;
use crate::error::Error;
use crate::headers::{self, HeaderError};
use crate::{frame, writer};

/// How many events may wait for a subscriber that is busy.
const DEFAULT_ROOM: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// One event as it arrived.
#[derive(Debug, Clone)]
pub struct Event<T> {
    pub context: Context,
    pub subject: String,
    pub message: T,
}

impl Bus {
    /// Tells everybody who listens on `subject`. Fails while NATS is away, because an event is about now.
    pub async fn publish<T: Serialize>(&self, context: &Context, subject: &str, message: &T) -> Result<(), Error> {
        let payload = frame::encode(subject, message)?;
        self.wait_connected().await?;
        self.client()
            .publish_with_headers(subject.to_owned(), Self::outgoing_headers(context), payload)
            .await
            .map_err(|error| writer::publish_error(self.client(), subject, &error))
    }

    /// Listens on `subject`, which may hold wildcards, with room for 1024 events that were not read yet.
    pub async fn subscribe<T: DeserializeOwned>(&self, subject: &str) -> Result<Subscription<T>, Error> {
        self.subscribe_with_room(subject, DEFAULT_ROOM).await
    }

    pub async fn subscribe_with_room<T: DeserializeOwned>(
        &self,
        subject: &str,
        room: NonZeroUsize,
    ) -> Result<Subscription<T>, Error> {
        let source = self.client().subscribe(subject.to_owned()).await.map_err(|_| Error::Disconnected)?;
        let (sender, queue) = mpsc::channel(room.get());
        tokio::spawn(pump(subject.to_owned(), source, sender, self.slow_consumer()));
        Ok(Subscription { queue, types: PhantomData })
    }
}

/// A stream of events. One that can't be read, and a loss, are error items; the stream goes on after them.
#[derive(Debug)]
pub struct Subscription<T> {
    queue: mpsc::Receiver<Result<Message, Error>>,
    types: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Stream for Subscription<T> {
    type Item = Result<Event<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.queue.poll_recv(cx).map(|item| item.map(|received| received.and_then(|message| read(&message))))
    }
}

impl<T: DeserializeOwned> Subscription<T> {
    /// The next event; `None` only when the connection was closed for good.
    pub async fn next(&mut self) -> Option<Result<Event<T>, Error>> {
        StreamExt::next(self).await
    }
}

fn read<T: DeserializeOwned>(message: &Message) -> Result<Event<T>, Error> {
    let received = message.headers.as_ref().ok_or(HeaderError::Missing { name: "Aether-Tenant" })?;
    Ok(Event {
        context: headers::read_context(received)?,
        subject: message.subject.to_string(),
        message: frame::decode(&message.subject, &message.payload)?,
    })
}

/// Never waits for the subscriber, so that the connection never has to drop anything by itself. What does not fit is
/// counted, and the count takes the lost events' place in the queue as soon as there is room for it.
async fn pump(
    subject: String,
    mut source: Subscriber,
    queue: mpsc::Sender<Result<Message, Error>>,
    mut slow: watch::Receiver<u64>,
) {
    let mut lost = 0u64;
    loop {
        tokio::select! {
            biased;
            () = queue.closed() => return,
            Ok(place) = queue.reserve(), if lost > 0 => {
                place.send(Err(Error::Overflow { subject: subject.clone(), lost }));
                lost = 0;
            }
            message = source.next() => {
                let Some(message) = message else { return };
                if lost > 0 || queue.try_send(Ok(message)).is_err() {
                    lost += 1;
                }
            }
            // The connection dropped something that never got here: it can't say whose it was, so everybody is told.
            Ok(()) = slow.changed() => lost += 1,
        }
    }
}
