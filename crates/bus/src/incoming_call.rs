//! A call, at the worker's end: what a handler holds in the hand. `worker.rs` is the task behind it.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::frame::{AudioFrame, Content, Frame, Outgoing};
use crate::writer::FrameWriter;

/// The call is over (cancelled, failed or answered): there is nobody to send to. A handler returns when it sees this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is over")]
pub struct CallEnded;

/// Lets a handler end with `?` when the caller has gone; nobody reads the answer then.
impl From<CallEnded> for aether_proto::Error {
    fn from(ended: CallEnded) -> Self {
        aether_proto::ErrorCode::Internal.error(ended)
    }
}

/// The worker's side of the line, without types.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) writer: FrameWriter,
    /// Room at the caller, one permit a frame. Closed when the call is over.
    pub(crate) credit: Semaphore,
    pub(crate) over: CancellationToken,
    /// Set when the handler was sent something that can't be read; the call ends with it.
    pub(crate) unreadable: OnceLock<Error>,
    pub(crate) unreadable_set: Notify,
}

impl Outlet {
    pub(crate) fn new(writer: FrameWriter, credit: u32, over: CancellationToken) -> Self {
        Self {
            writer,
            credit: Semaphore::new(credit as usize),
            over,
            unreadable: OnceLock::new(),
            unreadable_set: Notify::new(),
        }
    }

    async fn send(&self, frame: Outgoing) -> Result<(), CallEnded> {
        let permit = self.credit.acquire().await.map_err(|_| CallEnded)?;
        if self.over.is_cancelled() {
            return Err(CallEnded);
        }
        self.writer.write(frame).await.map_err(|error| {
            tracing::debug!(%error, "a frame of a call was not sent");
            CallEnded
        })?;
        // Spent: it comes back as a credit frame.
        permit.forget();
        Ok(())
    }
}

/// A call that somebody opened here. `I` opens it and is what the caller sends, `O` what goes back.
#[derive(Debug)]
pub struct IncomingCall<I, O> {
    context: Context,
    open: I,
    input: mpsc::Receiver<Content>,
    output: Output<O>,
}

impl<I: DeserializeOwned, O: Serialize> IncomingCall<I, O> {
    pub(crate) fn new(context: Context, open: I, input: mpsc::Receiver<Content>, outlet: Arc<Outlet>) -> Self {
        Self { context, open, input, output: Output { outlet, types: PhantomData } }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The message that opened the call.
    pub fn open(&self) -> &I {
        &self.open
    }

    /// The caller's next frame; `None` once the call is over. A message that can't be read ends the call. Cancel-safe.
    pub async fn next(&mut self) -> Option<Frame<I>> {
        match self.input.recv().await?.typed("the input of a call") {
            Ok(frame) => Some(frame),
            Err(error) => {
                let outlet = &self.output.outlet;
                let _ = outlet.unreadable.set(error);
                outlet.unreadable_set.notify_one();
                None
            }
        }
    }

    /// Waits for credit, then sends. Cancel-safe: a frame that was not sent spent no credit.
    pub async fn send(&self, message: &O) -> Result<(), CallEnded> {
        self.output.send(message).await
    }

    /// Waits for credit, then sends.
    pub async fn send_audio(&self, audio: AudioFrame) -> Result<(), CallEnded> {
        self.output.send_audio(audio).await
    }

    /// A second hand on the call, for a task that answers while the handler goes on listening.
    pub fn output(&self) -> Output<O> {
        self.output.clone()
    }

    /// Fires when the caller cancels or is lost, when the deadline passes and when the service stops.
    pub fn cancelled(&self) -> CancellationToken {
        self.output.cancelled()
    }
}

/// Sends to the caller from somewhere else than the handler's own loop.
#[derive(Debug)]
pub struct Output<O> {
    outlet: Arc<Outlet>,
    types: PhantomData<fn(O)>,
}

impl<O> Clone for Output<O> {
    fn clone(&self) -> Self {
        Self { outlet: Arc::clone(&self.outlet), types: PhantomData }
    }
}

impl<O: Serialize> Output<O> {
    pub async fn send(&self, message: &O) -> Result<(), CallEnded> {
        let frame = Outgoing::message(self.outlet.writer.subject(), message).map_err(|error: Error| {
            tracing::error!(%error, "a frame of a call could not be written");
            CallEnded
        })?;
        self.outlet.send(frame).await
    }

    pub async fn send_audio(&self, audio: AudioFrame) -> Result<(), CallEnded> {
        self.outlet.send(Outgoing::audio(audio)).await
    }

    pub fn cancelled(&self) -> CancellationToken {
        self.outlet.over.clone()
    }
}
