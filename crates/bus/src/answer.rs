//! Answering on a subject of this process's own, for as long as it cares to: a room's control is answered by whoever is in
//! the room.
//!
//! Not a service: there is no queue group, so nobody shares the work, and nothing is registered. Where nobody answers, the
//! server itself says so at once, also when the process that did was killed. That makes a question a sign of life.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::bus::Bus;
use crate::context::Context;
use crate::endpoint::{Endpoint, Handler};
use crate::error::Error;
use crate::micro::EndpointCounters;

/// How many questions one subject works on at once. Beyond it the answer is `overloaded`.
const MOST_AT_ONCE: usize = 16;
/// How long questions that were taken before the guard was dropped may go on.
const GRACE: Duration = Duration::from_secs(2);

impl Bus {
    /// Answers questions of type `Q` on `subject` with an `R`, until the guard is dropped. While NATS is away nobody can ask;
    /// afterwards it goes on by itself.
    pub async fn answer<Q, R, F>(
        &self,
        subject: &str,
        handler: impl Fn(Context, Q) -> F + Send + Sync + 'static,
    ) -> Result<Answering, Error>
    where
        Q: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Future<Output = Result<R, aether_proto::Error>> + Send + 'static,
    {
        let questions = self.client().subscribe(subject.to_owned()).await.map_err(|_| Error::Disconnected)?;
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let kind = kind(subject);
        let endpoint = Endpoint {
            bus: self.clone(),
            counters: Arc::new(EndpointCounters::new(&kind)),
            kind,
            handler: Handler::request(handler),
            room: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            abandon: abandon.clone(),
        };
        let work = TaskTracker::new();
        work.spawn(Arc::new(endpoint).run(questions, stop.clone(), work.clone()));
        tokio::spawn(finish(work, stop.clone(), abandon));
        Ok(Answering { subject: subject.to_owned(), _stop: stop.drop_guard() })
    }
}

/// Keeps a subject answered. Once it is dropped, who asks gets [`Error::NoWorker`]; what was asked before is still answered,
/// for two seconds at most.
#[derive(Debug)]
#[must_use = "nothing is answered once this is dropped"]
pub struct Answering {
    subject: String,
    _stop: DropGuard,
}

impl Answering {
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

async fn finish(work: TaskTracker, stop: CancellationToken, abandon: CancellationToken) {
    stop.cancelled().await;
    work.close();
    let _ = tokio::time::timeout(GRACE, work.wait()).await;
    abandon.cancel();
}

/// The names within a subject are as many as there are rooms; a metric has one series for all of them:
/// `room.acme.kitchen.control` is a `room.*.*.control`.
pub(crate) fn kind(subject: &str) -> String {
    let last = subject.split('.').count().saturating_sub(1);
    let tokens = subject.split('.').enumerate();
    tokens.map(|(place, token)| if place == 0 || place == last { token } else { "*" }).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_of_one_kind() {
        assert_eq!(kind("room.acme.kitchen%2Etable.control"), "room.*.*.control");
        assert_eq!(kind("brain.ready"), "brain.ready");
        assert_eq!(kind("alone"), "alone");
    }
}
