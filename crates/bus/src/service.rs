//! The answering side: a set of endpoints under one name, one queue group and one micro-service registration.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aether_proto::ErrorCode;
use aether_telemetry::metric;
use async_nats::{HeaderMap, Message, Subscriber};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, info_span};

use crate::bus::Bus;
use crate::context::Context;
use crate::incoming_call::IncomingCall;
use crate::micro::{self, Description, EndpointCounters, EndpointStats};
use crate::worker::{self, CallHandler, Ending, Opening};
use crate::{frame, headers, trace};

/// What a worker that is full tells a caller: long enough for a short call to end, short enough for a person to wait.
const RETRY_AFTER_MS: u32 = 500;
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

type RequestHandler =
    Arc<dyn Fn(Context, Message) -> BoxFuture<'static, Result<bytes::Bytes, aether_proto::Error>> + Send + Sync>;

enum Handler {
    Request(RequestHandler),
    Call(CallHandler),
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
        let handler = Arc::new(handler);
        let erased: RequestHandler = Arc::new(move |context, message: Message| {
            let handler = Arc::clone(&handler);
            async move {
                let subject = message.subject.as_str();
                let question = frame::decode(subject, &message.payload).map_err(unreadable)?;
                let reply = handler(context, question).await?;
                Ok(frame::encode(subject, &reply)?)
            }
            .boxed()
        });
        self.endpoints.push((subject.into(), Handler::Request(erased)));
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
        let handler = Arc::new(handler);
        let erased: CallHandler = Arc::new(move |opening: Opening| {
            let handler = Arc::clone(&handler);
            async move {
                let open = frame::decode(&opening.subject, &opening.payload).map_err(unreadable)?;
                handler(IncomingCall::new(opening.context, open, opening.input, opening.outlet)).await
            }
            .boxed()
        });
        self.endpoints.push((subject.into(), Handler::Call(erased)));
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
                subject,
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

struct Endpoint {
    bus: Bus,
    subject: String,
    handler: Handler,
    counters: Arc<EndpointCounters>,
    room: Arc<Semaphore>,
    /// Cancels the calls that are running.
    abandon: CancellationToken,
}

impl Endpoint {
    async fn run(self: Arc<Self>, mut requests: Subscriber, stop: CancellationToken, work: TaskTracker) {
        while let Some(Some(message)) = stop.run_until_cancelled(requests.next()).await {
            self.take(message, &work).await;
        }
        // What the server had already given to this process is still answered by it.
        if requests.drain().await.is_ok() {
            while let Some(Some(message)) = self.abandon.run_until_cancelled(requests.next()).await {
                self.take(message, &work).await;
            }
        }
    }

    /// Admission: either there is room at once, or the caller is told to come back. Nothing queues here.
    async fn take(self: &Arc<Self>, message: Message, work: &TaskTracker) {
        let began = Instant::now();
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            let mut full = ErrorCode::Overloaded.error(format_args!("{} is busy", self.bus.service_name()));
            full.retry_after_ms = RETRY_AFTER_MS;
            return self.refuse(&message, full, began).await;
        };
        let no_headers = HeaderMap::new();
        let received = message.headers.as_ref().unwrap_or(&no_headers);
        let context = match headers::read_context(received) {
            Ok(context) => context,
            Err(error) => return self.refuse(&message, ErrorCode::InvalidArgument.error(error), began).await,
        };
        let span = self.span(&context, received);
        let endpoint = Arc::clone(self);
        let mut serving = Box::pin(async move {
            let ending = endpoint.serve(message, context, span).await;
            drop(place);
            endpoint.count(&ending, began);
        });
        // A request whose handler need not wait for anything is answered here and now; a task would only delay it.
        let answered = matches!(self.handler, Handler::Request(_)) && (&mut serving).now_or_never().is_some();
        if !answered {
            work.spawn(serving);
        }
    }

    async fn serve(&self, message: Message, context: Context, span: Span) -> Ending {
        match &self.handler {
            Handler::Call(handler) => worker::serve(&self.bus, message, context, handler, span, &self.abandon).await,
            Handler::Request(handler) => self.reply(message, context, handler).instrument(span).await,
        }
    }

    async fn reply(&self, message: Message, context: Context, handler: &RequestHandler) -> Ending {
        let reply_subject = message.reply.clone();
        let limit = context.deadline().unwrap_or(self.bus.request_limit());
        let handling = std::panic::AssertUnwindSafe(handler(context, message)).catch_unwind();
        let reply = tokio::select! {
            handled = tokio::time::timeout(limit, handling) => match handled {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) => Err(ErrorCode::Internal.error("the handler failed: its service's log says where")),
                Err(_) => Err(ErrorCode::DeadlineExceeded.error("the request's deadline passed")),
            },
            () = self.abandon.cancelled() => Err(ErrorCode::Unavailable.error("the service is stopping")),
        };
        let Some(reply_subject) = reply_subject else {
            return reply.map_or_else(Ending::Error, |_| Ending::Ok);
        };
        match reply {
            Ok(payload) => {
                if let Err(error) = self.bus.client().publish(reply_subject, payload).await {
                    tracing::warn!(%error, subject = self.subject, "a reply was not sent");
                }
                Ending::Ok
            }
            Err(error) => {
                self.reply_error(&reply_subject, &error).await;
                Ending::Error(error)
            }
        }
    }

    async fn refuse(&self, message: &Message, error: aether_proto::Error, began: Instant) {
        if let Some(reply) = &message.reply {
            match &self.handler {
                Handler::Call(_) => worker::refuse(&self.bus, reply, error.clone()).await,
                Handler::Request(_) => self.reply_error(reply, &error).await,
            }
        }
        self.count(&Ending::Error(error), began);
    }

    async fn reply_error(&self, reply: &str, error: &aether_proto::Error) {
        let code = error.error_code();
        let mut outgoing = HeaderMap::new();
        outgoing.insert(headers::SERVICE_ERROR, code.as_str());
        outgoing.insert(headers::SERVICE_ERROR_CODE, code.http_status().to_string());
        let Ok(payload) = frame::encode(reply, error) else { return };
        if let Err(error) = self.bus.client().publish_with_headers(reply.to_owned(), outgoing, payload).await {
            tracing::warn!(%error, subject = self.subject, "an error reply was not sent");
        }
    }

    fn span(&self, context: &Context, received: &HeaderMap) -> Span {
        let span = info_span!(
            "handle",
            otel.name = self.subject,
            otel.kind = "server",
            tenant = %context.tenant,
            session = context.session.map(tracing::field::display),
            request = %context.request,
        );
        trace::continue_in(span, received)
    }

    fn count(&self, ending: &Ending, began: Instant) {
        let took = began.elapsed();
        let (outcome, error) = match ending {
            Ending::Ok => ("ok", None),
            Ending::Error(error) => (error.error_code().as_str(), Some(error)),
            Ending::Cancelled(_) => ("cancelled", None),
        };
        self.counters.count(took, error);
        let subject = self.subject.clone();
        metrics::counter!(metric::BUS_HANDLED, "subject" => subject.clone(), "outcome" => outcome).increment(1);
        metrics::histogram!(metric::BUS_HANDLED_DURATION, "subject" => subject, "outcome" => outcome).record(took);
    }
}

/// A question that can't be read is the asker's mistake.
fn unreadable(error: crate::Error) -> aether_proto::Error {
    ErrorCode::InvalidArgument.error(error)
}
