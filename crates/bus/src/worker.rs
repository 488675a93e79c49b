//! The task behind an [`crate::IncomingCall`]: accepts, listens for the caller while the handler works, and ends the
//! call exactly once. The mirror image of `caller.rs`.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use aether_proto::{Accepted, ErrorCode, end};
use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::bus::Bus;
use crate::context::Context;
use crate::error::Error;
use crate::frame::{self, Content, Outgoing, Received};
use crate::headers::{self, HeaderError};
use crate::incoming_call::Outlet;
use crate::numbering::Expected;
use crate::writer::FrameWriter;

/// How much input may wait for a handler that is busy.
const INPUT_ROOM: usize = 1024;
/// How long a handler may go on after its call was cancelled before it is dropped where it stands.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(5);
const SHORTEST_KEEPALIVE: Duration = Duration::from_millis(10);
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(60);
const MOST_CREDIT: u32 = 65_536;

/// A call as the typed handler's wrapper gets it.
pub(crate) struct Opening {
    pub(crate) context: Context,
    pub(crate) subject: String,
    pub(crate) payload: Bytes,
    pub(crate) input: mpsc::Receiver<Content>,
    pub(crate) outlet: Arc<Outlet>,
}

pub(crate) type CallHandler = Arc<dyn Fn(Opening) -> BoxFuture<'static, Result<(), aether_proto::Error>> + Send + Sync>;

/// How a call ended, as this side sees it.
#[derive(Debug)]
pub(crate) enum Ending {
    Ok,
    Error(aether_proto::Error),
    Cancelled(String),
}

/// What the caller asked for when it opened the call.
struct Terms {
    credit: u32,
    keepalive: Duration,
    audio_input: bool,
}

impl Terms {
    fn read(headers: &HeaderMap) -> Result<Self, HeaderError> {
        let credit =
            headers::optional(headers, headers::CREDIT, "Aether-Credit", "a number of frames", headers::parse::<u32>)?;
        let keepalive = headers::optional_duration(headers, headers::KEEPALIVE, "Aether-Keepalive-Ms")?;
        Ok(Self {
            credit: credit.unwrap_or(1).clamp(1, MOST_CREDIT),
            keepalive: keepalive.unwrap_or(Duration::from_secs(1)).clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE),
            audio_input: headers.get(headers::AUDIO).is_some_and(|audio| audio.as_str() == "input"),
        })
    }
}

/// Tells a caller that its call is not taken.
pub(crate) async fn refuse(bus: &Bus, reply: &str, error: aether_proto::Error) {
    let writer = FrameWriter::new(bus.client().clone(), reply.to_owned(), 0);
    if let Ok(end) = Outgoing::end(reply, end::Outcome::Error(error)) {
        writer.close(end).await;
    }
}

/// Serves one call from acceptance to end. `stop` cancels it.
pub(crate) async fn serve(
    bus: &Bus,
    opened: Message,
    context: Context,
    handler: &CallHandler,
    span: Span,
    stop: &CancellationToken,
) -> Ending {
    let Some(reply) = opened.reply.as_ref().map(ToString::to_string) else {
        return Ending::Error(ErrorCode::Protocol.error("a call needs a reply subject"));
    };
    let worker = match Worker::accept(bus, &reply, &opened, &context, stop).await {
        Ok(worker) => worker,
        Err(error) => {
            let error = aether_proto::Error::from(error);
            refuse(bus, &reply, error.clone()).await;
            return Ending::Error(error);
        }
    };
    let (input_sender, input) = mpsc::channel(INPUT_ROOM);
    let opening = Opening {
        context,
        subject: opened.subject.to_string(),
        payload: opened.payload,
        input,
        outlet: Arc::clone(&worker.outlet),
    };
    // A task of its own, so that a busy handler never holds up the keepalives.
    let handling = tokio::spawn(handler(opening).instrument(span.clone()));
    worker.attend(input_sender, handling).instrument(span).await
}

struct Worker {
    frames: Subscriber,
    expected: Expected,
    outlet: Arc<Outlet>,
    keepalive: Duration,
    deadline: Option<Instant>,
}

impl Worker {
    async fn accept(
        bus: &Bus,
        reply: &str,
        opened: &Message,
        context: &Context,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let terms = Terms::read(opened.headers.as_ref().unwrap_or(&HeaderMap::new()))?;
        let (sequence, received) = frame::read(opened.clone())?;
        let mut expected = Expected::default();
        expected.accept(sequence)?;
        if !matches!(received, Received::Open) {
            return Err(Error::Protocol(format!("a call can't begin with {}", received.kind())));
        }

        let inbox = bus.inbox(terms.audio_input);
        let frames = bus.client().subscribe(inbox.clone()).await.map_err(|_| Error::Disconnected)?;
        let writer = FrameWriter::new(bus.client().clone(), reply.to_owned(), 0);
        let accepted = Accepted { input_subject: inbox, worker: bus.worker_name() };
        writer.write(Outgoing::accepted(reply, &accepted)?).await?;

        Ok(Self {
            frames,
            expected,
            outlet: Arc::new(Outlet::new(writer, terms.credit, stop.child_token())),
            keepalive: terms.keepalive,
            deadline: context.expires_at(),
        })
    }

    async fn attend(
        mut self,
        input: mpsc::Sender<Content>,
        mut handling: JoinHandle<Result<(), aether_proto::Error>>,
    ) -> Ending {
        let ending = tokio::select! {
            biased;
            ending = self.listen(&input) => ending,
            answered = &mut handling => match answered {
                Ok(Ok(())) => Ending::Ok,
                Ok(Err(error)) => Ending::Error(error),
                Err(_) => Ending::Error(ErrorCode::Internal.error("the handler failed: its service's log says where")),
            },
        };
        let outlet = &self.outlet;
        outlet.over.cancel();
        outlet.credit.close();
        drop(input);
        let outcome = match &ending {
            Ending::Ok => end::Outcome::Ok(end::Ok {}),
            Ending::Error(error) => end::Outcome::Error(error.clone()),
            Ending::Cancelled(reason) => end::Outcome::Cancelled(end::Cancelled { reason: reason.clone() }),
        };
        if let Ok(end) = Outgoing::end(outlet.writer.subject(), outcome) {
            outlet.writer.close(end).await;
        }
        if !handling.is_finished() && tokio::time::timeout(CLEAN_UP_LIMIT, &mut handling).await.is_err() {
            tracing::warn!("a handler went on after its call was over and was dropped");
            handling.abort();
        }
        ending
    }

    /// Follows the caller until there is a reason to stop, which it returns.
    async fn listen(&mut self, input: &mpsc::Sender<Content>) -> Ending {
        let outlet = Arc::clone(&self.outlet);
        let mut keepalive = interval_at(Instant::now() + self.keepalive, self.keepalive);
        keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = self.keepalive * 2;
        let mut dead_at = Instant::now() + patience;
        let deadline = self.deadline;
        let too_late = async move {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::pin!(too_late);
        loop {
            tokio::select! {
                // What has arrived comes first: a task that was held up must not take its own delay for the other's death.
                biased;
                message = self.frames.next() => {
                    dead_at = Instant::now() + patience;
                    let Some(message) = message else { return Ending::Cancelled("the connection closed".to_owned()) };
                    if let Some(ending) = self.hear(message, input) {
                        return ending;
                    }
                }
                () = outlet.over.cancelled() => return Ending::Cancelled("the service is stopping".to_owned()),
                () = outlet.unreadable_set.notified() => {
                    let error = outlet.unreadable.get().cloned().unwrap_or(Error::Disconnected);
                    return Ending::Error(error.into());
                }
                () = &mut too_late => {
                    return Ending::Error(ErrorCode::DeadlineExceeded.error("the call's deadline passed"));
                }
                _ = keepalive.tick() => {
                    if let Err(error) = outlet.writer.write(Outgoing::keepalive()).await {
                        tracing::debug!(%error, "a keepalive was not sent");
                    }
                }
                () = sleep_until(dead_at) => {
                    return Ending::Cancelled(Error::PeerLost { silence: patience }.to_string());
                }
            }
        }
    }

    /// One frame from the caller; returns how the call ended if that ends it.
    fn hear(&mut self, message: Message, input: &mpsc::Sender<Content>) -> Option<Ending> {
        let read = frame::read(message).and_then(|(sequence, received)| {
            self.expected.accept(sequence)?;
            Ok(received)
        });
        match read {
            Ok(Received::Content(content)) => match input.try_send(content) {
                // A handler that dropped its input does not want the rest.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    Some(Ending::Error(ErrorCode::Overloaded.error("the input came faster than the worker reads it")))
                }
            },
            Ok(Received::Credit(frames)) => {
                // Never more room than was agreed to be possible, whatever a caller claims.
                let room = (MOST_CREDIT as usize).saturating_sub(self.outlet.credit.available_permits());
                self.outlet.credit.add_permits(room.min(frames as usize));
                None
            }
            Ok(Received::Keepalive) => None,
            Ok(Received::Cancel(reason)) => Some(Ending::Cancelled(reason)),
            Ok(other) => {
                let broken = Error::Protocol(format!("a caller may not send {}", other.kind()));
                Some(Ending::Error(broken.into()))
            }
            Err(error) => Some(Ending::Error(error.into())),
        }
    }
}
