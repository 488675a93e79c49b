//! The task behind a [`crate::Call`]: waits for a worker, keeps the call alive, grants credit, and tells how it ended.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subscriber};
use futures::StreamExt;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::call::CallOptions;
use crate::context::Context;
use crate::error::Error;
use crate::frame::{self, Content, Outgoing, Received};
use crate::numbering::Expected;
use crate::writer::FrameWriter;

/// What the call's handles and its task share.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) worker: String,
    input: FrameWriter,
    cancelled: CancellationToken,
    /// When a frame was last read or sent by the people at this end; the idle limit counts from here.
    last_said: Mutex<Instant>,
    /// Frames read since credit was last granted, and the credit that makes it worth granting more.
    consumed: AtomicU32,
    grant_after: u32,
    grant_due: Notify,
}

impl Line {
    pub(crate) fn subject(&self) -> &str {
        self.input.subject()
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.cancel();
    }

    pub(crate) async fn send(&self, frame: Outgoing) -> Result<(), Error> {
        self.said();
        self.input.write(frame).await
    }

    pub(crate) fn last_said(&self) -> Instant {
        *self.last_said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) {
        *self.last_said.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn consumed(&self) {
        self.said();
        if self.consumed.fetch_add(1, Ordering::Relaxed) + 1 >= self.grant_after {
            self.grant_due.notify_one();
        }
    }
}

/// What [`crate::Bus::call`] gets once a worker has accepted.
pub(crate) struct Opened {
    pub(crate) line: Arc<Line>,
    pub(crate) contents: mpsc::Receiver<Content>,
    pub(crate) outcome: oneshot::Receiver<Result<(), Error>>,
}

pub(crate) struct Caller {
    client: Client,
    subject: String,
    frames: Subscriber,
    expected: Expected,
    cancelled: CancellationToken,
    first_reply: Duration,
    keepalive: Duration,
    credit: u32,
}

impl Caller {
    pub(crate) fn new(
        client: Client,
        subject: &str,
        frames: Subscriber,
        options: &CallOptions,
        context: &Context,
    ) -> Self {
        Self {
            client,
            subject: subject.to_owned(),
            frames,
            expected: Expected::default(),
            cancelled: CancellationToken::new(),
            first_reply: context.deadline().map_or(options.first_reply, |left| left.min(options.first_reply)),
            keepalive: options.keepalive,
            credit: options.credit,
        }
    }

    pub(crate) async fn run(mut self, mut opened: oneshot::Sender<Result<Opened, Error>>) {
        let accepted = tokio::select! {
            biased;
            message = self.frames.next() => self.accepted(message),
            () = sleep(self.first_reply) => Err(Error::TimedOut { what: "a worker's answer", limit: self.first_reply }),
            () = opened.closed() => Err(Error::Cancelled { reason: "the caller gave up".to_owned() }),
        };
        let line = match accepted {
            Ok(line) => Arc::new(line),
            Err(error) => {
                let worker_may_still_accept = matches!(error, Error::TimedOut { .. } | Error::Cancelled { .. });
                let _ = opened.send(Err(error));
                if worker_may_still_accept {
                    self.cancel_late_acceptance().await;
                }
                return;
            }
        };

        let (contents_sender, contents) = mpsc::channel(self.credit as usize);
        let (outcome_sender, outcome) = oneshot::channel();
        if opened.send(Ok(Opened { line: Arc::clone(&line), contents, outcome })).is_err() {
            line.cancel();
        }
        let ended = self.converse(&line, &contents_sender).await;
        if let Err(error) = &ended {
            // Whatever went wrong here, the worker must not go on for nobody.
            if let Ok(cancel) = Outgoing::cancel(line.subject(), &cancel_reason(error)) {
                line.input.close(cancel).await;
            }
        }
        let _ = outcome_sender.send(ended);
    }

    async fn converse(&mut self, line: &Line, contents: &mpsc::Sender<Content>) -> Result<(), Error> {
        let mut keepalive = interval_at(Instant::now() + self.keepalive, self.keepalive);
        keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = self.keepalive * 2;
        let mut dead_at = Instant::now() + patience;
        loop {
            tokio::select! {
                // What has arrived comes first: a task that was held up must not take its own delay for the other's death.
                biased;
                message = self.frames.next() => {
                    dead_at = Instant::now() + patience;
                    let (sequence, received) = frame::read(message.ok_or(Error::Disconnected)?)?;
                    self.expected.accept(sequence)?;
                    match received {
                        Received::Content(content) => contents.try_send(content).or_else(|refused| match refused {
                            mpsc::error::TrySendError::Full(_) => {
                                Err(Error::Protocol("the worker sent more than its credit".to_owned()))
                            }
                            mpsc::error::TrySendError::Closed(_) => Ok(()),
                        })?,
                        Received::Keepalive => {}
                        Received::End(outcome) => return outcome,
                        other => return Err(Error::Protocol(format!("a worker may not send {}", other.kind()))),
                    }
                }
                () = line.cancelled.cancelled() => {
                    return Err(Error::Cancelled { reason: "the caller cancelled".to_owned() });
                }
                () = line.grant_due.notified() => {
                    let frames = line.consumed.swap(0, Ordering::Relaxed);
                    line.input.write(Outgoing::credit(line.subject(), frames)?).await?;
                }
                _ = keepalive.tick() => line.input.write(Outgoing::keepalive()).await?,
                () = sleep_until(dead_at) => return Err(Error::PeerLost { silence: patience }),
            }
        }
    }

    fn accepted(&mut self, message: Option<Message>) -> Result<Line, Error> {
        let message = message.ok_or(Error::Disconnected)?;
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(Error::NoWorker { subject: self.subject.clone() });
        }
        let (sequence, received) = frame::read(message)?;
        self.expected.accept(sequence)?;
        match received {
            Received::Accepted(accepted) => Ok(Line {
                worker: accepted.worker,
                // `open` was number 0 of this direction.
                input: FrameWriter::new(self.client.clone(), accepted.input_subject, 1),
                cancelled: self.cancelled.clone(),
                last_said: Mutex::new(Instant::now()),
                consumed: AtomicU32::new(0),
                grant_after: self.credit.div_ceil(2),
                grant_due: Notify::new(),
            }),
            Received::End(Err(refused)) => Err(refused),
            other => Err(Error::Protocol(format!("a call can't begin with {}", other.kind()))),
        }
    }

    /// A worker that accepts after the caller has left would work for nobody until it missed two keepalives.
    async fn cancel_late_acceptance(mut self) {
        let late = tokio::time::timeout(self.keepalive * 2, self.frames.next()).await;
        let Ok(message) = late else { return };
        if let Ok(line) = self.accepted(message)
            && let Ok(cancel) = Outgoing::cancel(line.subject(), "the caller gave up before a worker accepted")
        {
            line.input.close(cancel).await;
        }
    }
}

fn cancel_reason(error: &Error) -> String {
    match error {
        Error::Cancelled { reason } => reason.clone(),
        other => other.to_string(),
    }
}
