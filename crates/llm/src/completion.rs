//! An answer as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::{Delta, Error};

/// The stream of one answer's deltas: it ends after [`Delta::Done`] or after the first error. Dropping it aborts the
/// HTTP request.
#[derive(Debug)]
pub struct Completion {
    pub(crate) deltas: mpsc::Receiver<Result<Delta, Error>>,
    pub(crate) _request: AbortOnDropHandle<()>,
}

impl Completion {
    /// The next delta; `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Delta, Error>> {
        self.deltas.recv().await
    }
}

impl Stream for Completion {
    type Item = Result<Delta, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.deltas.poll_recv(context)
    }
}
