//! A call, at the caller's end: a conversation with one worker.
//!
//! ```text
//! caller                                   worker (one of the queue group)
//!   open ───────── on the subject ──────────►
//!   ◄──────────────────────────── accepted     names the worker's own inbox
//!   message, audio, credit, keepalive ──────►  straight to that worker
//!   ◄───────────── message, audio, keepalive   as many as there is credit for
//!   cancel ─────────────────────────────────►
//!   ◄───────────────────────────────── end     ok, error or cancelled: always the last
//! ```
//!
//! This file is what the caller holds in the hand; `caller.rs` is the task that keeps the call alive behind it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::bus::Bus;
use crate::caller::{Caller, Line, Opened};
use crate::context::Context;
use crate::error::Error;
use crate::frame::{AudioFrame, Content, Frame, Outgoing};
use crate::headers;
use crate::request::came_back;

/// How patient, and how far ahead, a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOptions {
    /// Longest wait for a worker to accept.
    pub first_reply: Duration,
    /// Longest stretch in which neither side says anything (keepalives say nothing).
    pub idle: Duration,
    /// How many frames of output may be on their way or waiting to be read.
    pub credit: u32,
    /// How often each side shows that it is alive; a side that stays silent for two of these is taken for dead.
    pub keepalive: Duration,
    /// The worker will answer with audio.
    pub audio_output: bool,
    /// The caller will send audio.
    pub audio_input: bool,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            first_reply: Duration::from_secs(2),
            idle: Duration::from_secs(30),
            credit: 64,
            keepalive: Duration::from_secs(1),
            audio_output: false,
            audio_input: false,
        }
    }
}

impl CallOptions {
    const MOST_CREDIT: u32 = 65_536;
    const SHORTEST_KEEPALIVE: Duration = Duration::from_millis(10);

    fn within_reason(mut self) -> Self {
        self.credit = self.credit.clamp(1, Self::MOST_CREDIT);
        self.keepalive = self.keepalive.max(Self::SHORTEST_KEEPALIVE);
        self
    }
}

impl Bus {
    /// Opens a call and returns once a worker has accepted it. Dropping this future, or the call, cancels the work.
    pub async fn call<I, O>(
        &self,
        context: &Context,
        subject: &str,
        open: &impl Serialize,
        options: CallOptions,
    ) -> Result<Call<I, O>, Error>
    where
        I: Serialize,
        O: DeserializeOwned,
    {
        let options = options.within_reason();
        let deadline_limit = context.deadline();
        let Outgoing { headers: mut outgoing, payload } = Outgoing::open(subject, open)?;
        Self::write_headers(&mut outgoing, context);
        outgoing.insert(headers::SEQUENCE, "0");
        outgoing.insert(headers::CREDIT, options.credit.to_string());
        outgoing.insert(headers::KEEPALIVE, options.keepalive.as_millis().to_string());
        if options.audio_input {
            outgoing.insert(headers::AUDIO, "input");
        }
        self.wait_connected().await?;

        let inbox = self.inbox(options.audio_output);
        let frames = self.client().subscribe(inbox.clone()).await.map_err(|_| Error::Disconnected)?;
        let began = Instant::now();
        self.client()
            .publish_with_reply_and_headers(subject.to_owned(), inbox, outgoing, payload)
            .await
            .map_err(|error| crate::writer::publish_error(self.client(), subject, &error))?;

        let (opened_sender, opened) = oneshot::channel();
        tokio::spawn(Caller::new(self.client().clone(), subject, frames, &options, context).run(opened_sender));
        let opened = opened.await.map_err(|_| Error::Disconnected)?;
        came_back(subject, &opened, began);
        let Opened { line, contents, outcome } = opened?;

        Ok(Call {
            line,
            contents,
            outcome: Outcome::Pending(outcome),
            idle: options.idle,
            deadline: context.expires_at().zip(deadline_limit),
            types: PhantomData,
        })
    }
}

/// An open call. `I` is what goes to the worker, `O` what comes back.
#[derive(Debug)]
pub struct Call<I, O> {
    line: Arc<Line>,
    contents: mpsc::Receiver<Content>,
    outcome: Outcome,
    idle: Duration,
    /// When the context's deadline passes, and how long it was when the call was opened.
    deadline: Option<(Instant, Duration)>,
    types: PhantomData<fn(I) -> O>,
}

#[derive(Debug)]
enum Outcome {
    Pending(oneshot::Receiver<Result<(), Error>>),
    Known(Result<(), Error>),
}

impl<I: Serialize, O: DeserializeOwned> Call<I, O> {
    /// The next frame; `Ok(None)` when the worker ended the call well. An error is final: asking again repeats it.
    /// Cancel-safe: a frame is either returned or still waiting.
    pub async fn next(&mut self) -> Result<Option<Frame<O>>, Error> {
        if let Outcome::Known(outcome) = &self.outcome {
            return outcome.clone().map(|()| None);
        }
        loop {
            let (at, too_late) = self.next_limit();
            tokio::select! {
                // Frames first: what has arrived is never late, however slowly it is read.
                biased;
                content = self.contents.recv() => match content {
                    Some(content) => return self.consume(content).map(Some),
                    None => return self.ended().await.map(|()| None),
                },
                () = sleep_until(at) => {
                    // Something may have been said while we slept; only then does the limit move.
                    if self.next_limit().0 <= Instant::now() {
                        self.line.cancel();
                        self.outcome = Outcome::Known(Err(too_late.clone()));
                        return Err(too_late);
                    }
                }
            }
        }
    }

    pub async fn send(&mut self, message: &I) -> Result<(), Error> {
        self.line.send(Outgoing::message(self.line.subject(), message)?).await
    }

    pub async fn send_audio(&mut self, audio: AudioFrame) -> Result<(), Error> {
        self.line.send(Outgoing::audio(audio)).await
    }

    /// A second hand on the call, for a task that sends while another one reads.
    pub fn sender(&self) -> CallSender<I> {
        CallSender { line: Arc::clone(&self.line), types: PhantomData }
    }

    /// Tells the worker to stop; [`Call::next`] then gives what had already arrived and after it the cancellation.
    pub fn cancel(&self) {
        self.line.cancel();
    }

    /// `<service>/<instance id>` of the process that holds the call.
    pub fn worker(&self) -> &str {
        &self.line.worker
    }

    fn next_limit(&self) -> (Instant, Error) {
        let idle = self.line.last_said() + self.idle;
        match self.deadline {
            Some((deadline, limit)) if deadline < idle => {
                (deadline, Error::TimedOut { what: "the end of the call", limit })
            }
            _ => (idle, Error::TimedOut { what: "the next frame of the call", limit: self.idle }),
        }
    }

    fn consume(&mut self, content: Content) -> Result<Frame<O>, Error> {
        self.line.consumed();
        content.typed(self.line.subject()).inspect_err(|error| {
            self.line.cancel();
            self.outcome = Outcome::Known(Err(error.clone()));
        })
    }

    async fn ended(&mut self) -> Result<(), Error> {
        let outcome = match &mut self.outcome {
            Outcome::Known(outcome) => return outcome.clone(),
            Outcome::Pending(outcome) => outcome.await.unwrap_or(Err(Error::Disconnected)),
        };
        self.outcome = Outcome::Known(outcome.clone());
        outcome
    }
}

impl<I, O> Drop for Call<I, O> {
    fn drop(&mut self) {
        self.line.cancel();
    }
}

/// Sends into a call from somewhere else; it does not keep the call alive.
#[derive(Debug)]
pub struct CallSender<I> {
    line: Arc<Line>,
    types: PhantomData<fn(I)>,
}

impl<I> Clone for CallSender<I> {
    fn clone(&self) -> Self {
        Self { line: Arc::clone(&self.line), types: PhantomData }
    }
}

impl<I: Serialize> CallSender<I> {
    pub async fn send(&self, message: &I) -> Result<(), Error> {
        self.line.send(Outgoing::message(self.line.subject(), message)?).await
    }

    pub async fn send_audio(&self, audio: AudioFrame) -> Result<(), Error> {
        self.line.send(Outgoing::audio(audio)).await
    }

    pub fn cancel(&self) {
        self.line.cancel();
    }
}
