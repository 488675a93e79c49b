//! The answering side: a set of endpoints under one name, one queue group and one micro-service registration.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::bus::Bus;
use crate::context::Context;
use crate::endpoint::{Endpoint, Handler};
use crate::incoming_call::IncomingCall;
use crate::micro::{self, Description, EndpointCounters, EndpointStats};

/// How long NATS may take to confirm what a stopping service said last.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a service presents itself, and how much of it there is.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Letters, digits, `-` and `_`. Also the queue group: processes with the same name share the load.
    pub name: String,
    /// Three numbers, as in `1.4.0`.
    pub version: String,
    pub description: String,
    /// How many calls, or requests, each endpoint works on at once. Beyond it the answer is `overloaded`.
    pub max_calls: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the service name {name:?} has characters other than letters, digits, '-' and '_'")]
    Name { name: String },
    #[error("the service version {version:?} is not of the form 1.2.3")]
    Version { version: String },
    #[error("max_calls must be at least 1")]
    NoCalls,
    #[error("the connection to NATS is closed")]
    Closed,
}

/// Collects endpoints; nothing is answered before [`ServiceBuilder::start`].
pub struct ServiceBuilder {
    bus: Bus,
    options: ServiceOptions,
    endpoints: Vec<(String, Handler)>,
}

impl Bus {
    pub fn service(&self, options: ServiceOptions) -> ServiceBuilder {
        ServiceBuilder { bus: self.clone(), options, endpoints: Vec::new() }
    }
}

impl ServiceBuilder {
    /// Answers questions of type `Q` on `subject` with an `R`.
    #[must_use]
    pub fn request<Q, R, F>(
        mut self,
        subject: impl Into<String>,
        handler: impl Fn(Context, Q) -> F + Send + Sync + 'static,
    ) -> Self
    where
        Q: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Future<Output = Result<R, aether_proto::Error>> + Send + 'static,
    {
        self.endpoints.push((subject.into(), Handler::request(handler)));
        self
    }

    /// Holds conversations on `subject`, each opened with an `I`.
    #[must_use]
    pub fn call<I, O, F>(
        mut self,
        subject: impl Into<String>,
        handler: impl Fn(IncomingCall<I, O>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Future<Output = Result<(), aether_proto::Error>> + Send + 'static,
    {
        self.endpoints.push((subject.into(), Handler::call(handler)));
        self
    }

    /// Starts to answer, or waits in the background until NATS is there to be answered on.
    pub async fn start(self) -> Result<RunningService, StartError> {
        let Self { bus, options, endpoints } = self;
        validate(&options)?;
        let stop = CancellationToken::new();
        let abandon = CancellationToken::new();
        let work = TaskTracker::new();
        let mut counters = Vec::new();

        for (subject, handler) in endpoints {
            let requests = bus
                .client()
                .queue_subscribe(subject.clone(), options.name.clone())
                .await
                .map_err(|_| StartError::Closed)?;
            let endpoint = Endpoint {
                bus: bus.clone(),
                counters: Arc::new(EndpointCounters::new(&subject)),
                kind: subject,
                handler,
                room: Arc::new(Semaphore::new(options.max_calls.min(Semaphore::MAX_PERMITS))),
                abandon: abandon.clone(),
            };
            counters.push(Arc::clone(&endpoint.counters));
            work.spawn(Arc::new(endpoint).run(requests, stop.clone(), work.clone()));
        }

        let id = bus.instance().to_string();
        let questions = micro::subscribe(&bus, &options.name, &id).await.map_err(|_| StartError::Closed)?;
        let description = Description {
            name: options.name,
            version: options.version,
            description: options.description,
            id,
            started: SystemTime::now(),
            endpoints: counters.clone(),
        };
        work.spawn(micro::answer(bus.clone(), description, questions, stop.clone()));

        Ok(RunningService { bus, work, counters, stop: stop.drop_guard(), abandon: abandon.drop_guard() })
    }
}

fn validate(options: &ServiceOptions) -> Result<(), StartError> {
    let name_is_plain = options.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if options.name.is_empty() || !name_is_plain {
        return Err(StartError::Name { name: options.name.clone() });
    }
    let numbers: Vec<&str> = options.version.split('.').collect();
    if numbers.len() != 3 || numbers.iter().any(|number| number.parse::<u32>().is_err()) {
        return Err(StartError::Version { version: options.version.clone() });
    }
    if options.max_calls == 0 {
        return Err(StartError::NoCalls);
    }
    Ok(())
}

/// A started service. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningService {
    bus: Bus,
    work: TaskTracker,
    counters: Vec<Arc<EndpointCounters>>,
    stop: DropGuard,
    abandon: DropGuard,
}

impl RunningService {
    /// What each endpoint did so far. One call counts once, when it ends.
    pub fn stats(&self) -> Vec<EndpointStats> {
        self.counters.iter().map(|counters| counters.stats()).collect()
    }

    /// Takes no more work, finishes what it has, and cancels what is still running after `grace`. Afterwards the server has
    /// everything that was said, so that the process may drop the connection; without a connection there is nothing to
    /// wait for.
    pub async fn stop(self, grace: Duration) {
        let Self { bus, work, stop, abandon, .. } = self;
        drop(stop);
        work.close();
        if tokio::time::timeout(grace, work.wait()).await.is_err() {
            drop(abandon);
            work.wait().await;
        }
        if *bus.connected().borrow() {
            // Messages leave in order, so one that comes back has pushed all others out.
            if let Err(error) = bus.ready(LAST_WORDS).await {
                tracing::warn!(%error, "NATS may not have got what this service said last");
            }
        }
    }
}
