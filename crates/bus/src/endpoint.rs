//! One subscription and what it is answered with: admission, the deadline, the trace and the count are the same for all.

use std::future::Future;
use std::sync::Arc;

use aether_proto::ErrorCode;
use aether_telemetry::metric;
use async_nats::{HeaderMap, Message, Subscriber};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, info_span};

use crate::bus::Bus;
use crate::context::Context;
use crate::incoming_call::IncomingCall;
use crate::micro::EndpointCounters;
use crate::worker::{self, CallHandler, Ending, Opening};
use crate::{frame, headers, trace};

/// What a worker that is full tells a caller: long enough for a short call to end, short enough for a person to wait.
const RETRY_AFTER_MS: u32 = 500;

pub(crate) type RequestHandler =
    Arc<dyn Fn(Context, Message) -> BoxFuture<'static, Result<bytes::Bytes, aether_proto::Error>> + Send + Sync>;

pub(crate) enum Handler {
    Request(RequestHandler),
    Call(CallHandler),
}

impl Handler {
    /// For questions of type `Q`, each answered with an `R`.
    pub(crate) fn request<Q, R, F>(handler: impl Fn(Context, Q) -> F + Send + Sync + 'static) -> Self
    where
        Q: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Future<Output = Result<R, aether_proto::Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::Request(Arc::new(move |context, message: Message| {
            let handler = Arc::clone(&handler);
            async move {
                let subject = message.subject.as_str();
                let question = frame::decode(subject, &message.payload).map_err(unreadable)?;
                let reply = handler(context, question).await?;
                Ok(frame::encode(subject, &reply)?)
            }
            .boxed()
        }))
    }

    /// For conversations, each opened with an `I`.
    pub(crate) fn call<I, O, F>(handler: impl Fn(IncomingCall<I, O>) -> F + Send + Sync + 'static) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Future<Output = Result<(), aether_proto::Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::Call(Arc::new(move |opening: Opening| {
            let handler = Arc::clone(&handler);
            async move {
                let open = frame::decode(&opening.subject, &opening.payload).map_err(unreadable)?;
                handler(IncomingCall::new(opening.context, open, opening.input, opening.outlet)).await
            }
            .boxed()
        }))
    }
}

/// What one subscription is answered with.
pub(crate) struct Endpoint {
    pub bus: Bus,
    /// What metrics and spans call it: its subject, where there are few of these.
    pub kind: String,
    pub handler: Handler,
    pub counters: Arc<EndpointCounters>,
    pub room: Arc<Semaphore>,
    /// Cancels what is running.
    pub abandon: CancellationToken,
}

impl Endpoint {
    /// Answers until `stop`, and then what the server had already given to this process.
    pub(crate) async fn run(self: Arc<Self>, mut requests: Subscriber, stop: CancellationToken, work: TaskTracker) {
        let outcomes: Vec<_> = ["ok", "cancelled"].into_iter().chain(ErrorCode::ALL.map(ErrorCode::as_str)).collect();
        metric::from_zero(metric::BUS_HANDLED, &[("subject", &[&self.kind]), ("outcome", &outcomes)]);
        while let Some(Some(message)) = stop.run_until_cancelled(requests.next()).await {
            self.take(message, &work).await;
        }
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
                    tracing::warn!(%error, kind = self.kind, "a reply was not sent");
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
            tracing::warn!(%error, kind = self.kind, "an error reply was not sent");
        }
    }

    fn span(&self, context: &Context, received: &HeaderMap) -> Span {
        let span = info_span!(
            "handle",
            otel.name = self.kind,
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
        let subject = self.kind.clone();
        metrics::counter!(metric::BUS_HANDLED, "subject" => subject.clone(), "outcome" => outcome).increment(1);
        metrics::histogram!(metric::BUS_HANDLED_DURATION, "subject" => subject, "outcome" => outcome).record(took);
    }
}

/// A question that can't be read is the asker's mistake.
fn unreadable(error: crate::Error) -> aether_proto::Error {
    ErrorCode::InvalidArgument.error(error)
}
