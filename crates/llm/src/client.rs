//! The shell: HTTP, deadlines, repeats.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, debug, info, warn};

use crate::measure;
use crate::parse::reported_message;
use crate::reading::Reading;
use crate::sentence;
use crate::{ChatRequest, CircuitBreaker, Completion, Delta, Error, FinishReason, Message, Options, Outcome, Permit};

/// Deltas that may wait for their reader before the server is read no further.
const BUFFERED_DELTAS: usize = 64;

/// One language model. Cheap to clone; all clones share the connection pool and the circuit breaker.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    http: reqwest::Client,
    breaker: Mutex<CircuitBreaker>,
    /// Told of each request in which the server failed.
    failed: Notify,
    /// The server has refused to say what it would write next; it will not learn it.
    tells_no_candidates: AtomicBool,
}

/// When each wait of one request is over.
#[derive(Clone, Copy)]
struct Limits {
    first_token: Instant,
    total: Instant,
}

impl Client {
    /// Does not touch the network: the server may come later.
    pub fn new(options: Options) -> Result<Self, Error> {
        if !matches!(options.endpoint.scheme(), "http" | "https") {
            return Err(Error::Endpoint { endpoint: options.endpoint_label() });
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Lost only to another thread that installs one at this moment, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let http = reqwest::Client::builder()
            .connect_timeout(options.deadlines.connect)
            .tcp_nodelay(true)
            // llama.cpp's server closes idle connections without a word, and a question must not meet one that is being
            // closed. A new one to a server on this machine takes a tenth of a millisecond.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::Build)?;
        let breaker = Mutex::new(CircuitBreaker::new(options.breaker));
        let (failed, tells_no_candidates) = (Notify::new(), AtomicBool::new(false));
        Ok(Self { shared: Arc::new(Shared { options, http, breaker, failed, tells_no_candidates }) })
    }

    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Asks the model. The request runs by itself from now on; its deltas, or its error, come out of the [`Completion`].
    /// Must be called within a tokio runtime.
    pub fn chat(&self, request: ChatRequest, cancel: CancellationToken) -> Completion {
        let (sender, deltas) = mpsc::channel(BUFFERED_DELTAS);
        let shared = Arc::clone(&self.shared);
        let span = measure::span(&self.shared.options, &request);
        let task = async move {
            let outcome = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::Cancelled),
                outcome = shared.answer(&request, &sender) => outcome,
            };
            if let Err(error) = outcome {
                // The reader is gone: nobody to tell.
                let _ = sender.send(Err(error)).await;
            }
        };
        let request = AbortOnDropHandle::new(tokio::spawn(task.instrument(span)));
        Completion { deltas, _request: request }
    }

    /// Reads `messages` into the server's prompt cache, so that a request which begins with them starts sooner. The one
    /// token that servers insist on is thrown away. Dropping the future aborts it. While the circuit is not closed
    /// nothing is asked: a guess must not stand in the way of a question.
    pub async fn prefill(&self, messages: Vec<Message>) -> Result<(), Error> {
        if !self.shared.breaker(|breaker| breaker.is_closed()) {
            return Ok(());
        }
        let request = ChatRequest { max_tokens: std::num::NonZeroU32::MIN, ..ChatRequest::new(messages) };
        let span = measure::span(&self.shared.options, &request);
        let (sender, mut deltas) = mpsc::channel(BUFFERED_DELTAS);
        let drain = async { while deltas.recv().await.is_some() {} };
        let attempt = async move {
            let limits = self.shared.limits(&request);
            self.shared.attempt(&request, &sender, limits, &mut false).await
        };
        tokio::join!(attempt.instrument(span), drain).0
    }

    /// How probable it is that a sentence ends after these words, from 0 to 1. `None` where the server tells no candidates for
    /// the next token, and while the circuit is not closed. Dropping the future aborts the request.
    pub async fn sentence_ends(&self, words: &str) -> Result<Option<f32>, Error> {
        let Shared { options, http, tells_no_candidates, .. } = &*self.shared;
        let url = options.dialect.completions_url(&options.endpoint);
        let is_asked =
            !tells_no_candidates.load(Ordering::Relaxed) && self.shared.breaker(|breaker| breaker.is_closed());
        let Some(url) = url.filter(|_| is_asked) else { return Ok(None) };
        let request = self.shared.authorised(http.post(url).json(&sentence::body(&options.model, words)));
        match self.shared.reply(request, options.deadlines.first_token).await {
            Ok(reply) => Ok(sentence::probability(&reply)),
            Err(Error::Refused { status, message }) => {
                tells_no_candidates.store(true, Ordering::Relaxed);
                info!(status, reason = message, "the language model's server does not tell whether a sentence ends");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Resolves when the server has failed somebody since this resolved last. For one waiter.
    pub async fn failed(&self) {
        self.shared.failed.notified().await;
    }

    /// The names of the models that the server has: also the way to see whether it is there.
    pub async fn models(&self) -> Result<Vec<String>, Error> {
        let options = &self.shared.options;
        let limit = options.deadlines.connect + Duration::from_secs(1);
        let request = self.shared.authorised(self.shared.http.get(options.dialect.models_url(&options.endpoint)));
        let body = self.shared.reply(request, limit).await?;
        options.dialect.model_names(&body).ok_or(Error::Parse(crate::ParseError::NotJson {
            line: 1,
            column: 1,
            problem: "not a list of models",
        }))
    }
}

impl Shared {
    fn limits(&self, request: &ChatRequest) -> Limits {
        let now = Instant::now();
        let total = now + self.total_limit(request);
        Limits { first_token: total.min(now + self.first_token_limit(request)), total }
    }

    fn first_token_limit(&self, request: &ChatRequest) -> Duration {
        request.first_token.unwrap_or(Duration::MAX).min(self.options.deadlines.first_token)
    }

    fn total_limit(&self, request: &ChatRequest) -> Duration {
        request.total.unwrap_or(Duration::MAX).min(self.options.deadlines.total)
    }

    /// A small reply, whole.
    async fn reply(&self, request: reqwest::RequestBuilder, limit: Duration) -> Result<Value, Error> {
        let deadline = Instant::now() + limit;
        let response = timeout_at(deadline, request.send())
            .await
            .map_err(|_| Error::Total { limit })?
            .map_err(|error| self.connect_error(error))?;
        let status = response.status();
        let body = body_within(response, deadline).await;
        if !status.is_success() {
            return Err(status_error(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| Error::Parse(crate::ParseError::not_json(1, &error)))
    }

    /// One question with its repeats, through the breaker.
    async fn answer(
        self: &Arc<Self>,
        request: &ChatRequest,
        sender: &mpsc::Sender<Result<Delta, Error>>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let now = started.into_std();
        let permit =
            self.breaker(|breaker| breaker.admit(now)).map_err(|retry_after| Error::CircuitOpen { retry_after })?;
        let mut admission = Admission { shared: Arc::clone(self), permit: Some(permit) };
        let limits = self.limits(request);
        let mut failed = 0;
        let outcome = loop {
            let mut seen = false;
            let Err(error) = self.attempt(request, sender, limits, &mut seen).await else { break Ok(()) };
            failed += 1;
            if seen || !error.is_worth_repeating() {
                break Err(error);
            }
            let Some(wait) = self.options.backoff.after(failed, rand::random()) else { break Err(error) };
            if Instant::now() + wait >= limits.first_token {
                break Err(error);
            }
            debug!(error = %error, failed, "asking the language model again");
            tokio::time::sleep(wait).await;
        };
        measure::ended(request.model.as_ref().unwrap_or(&self.options.model), started.elapsed(), &outcome);
        admission.record(match &outcome {
            Err(error) if error.is_failure_of_the_server() => {
                self.failed.notify_one();
                Outcome::Failure
            }
            Err(Error::Cancelled) => Outcome::Abandoned,
            _ => Outcome::Success,
        });
        outcome
    }

    /// One HTTP request. `seen` becomes true with the first delta: from then on it must not be repeated.
    async fn attempt(
        &self,
        request: &ChatRequest,
        sender: &mpsc::Sender<Result<Delta, Error>>,
        limits: Limits,
        seen: &mut bool,
    ) -> Result<(), Error> {
        let options = &self.options;
        let model = request.model.as_ref().unwrap_or(&options.model);
        let started = Instant::now();
        let post = self
            .http
            .post(options.dialect.chat_url(&options.endpoint))
            .json(&options.dialect.chat_body(options, request));
        let mut response = timeout_at(limits.first_token, self.authorised(post).send())
            .await
            .map_err(|_| self.late(request, limits, *seen))?
            .map_err(|error| self.connect_error(error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(status_error(status, &body_within(response, limits.first_token).await));
        }

        let mut parser = options.dialect.parser();
        let mut budget = Budget::new(request);
        let mut reading = Reading::new(request);
        let mut found = Vec::new();
        let mut meant = Vec::new();
        loop {
            let deadline =
                if *seen { limits.total.min(Instant::now() + options.deadlines.idle) } else { limits.first_token };
            let chunk = match timeout_at(deadline, next_chunk(&mut response, &mut parser, &mut found)).await {
                Ok(chunk) => chunk?,
                Err(_) if *seen && Instant::now() >= limits.total => {
                    warn!(limit_ms = self.total_limit(request).as_millis(), "the answer was cut at its total deadline");
                    measure::finished(FinishReason::Length);
                    let _ = sender.send(Ok(Delta::Done(FinishReason::Length))).await;
                    return Ok(());
                }
                Err(_) => return Err(self.late(request, limits, *seen)),
            };
            if !found.is_empty() && !*seen {
                *seen = true;
                measure::first_token(model, started.elapsed());
            }
            for delta in found.drain(..) {
                reading.read(delta, &mut meant);
            }
            for delta in meant.drain(..) {
                if let Delta::Usage(usage) = &delta {
                    measure::tokens(model, usage);
                }
                let over = !budget.allows(&delta);
                let done = over || matches!(delta, Delta::Done(_));
                let delta = if over { Delta::Done(FinishReason::Length) } else { delta };
                if over {
                    warn!(max_tokens = request.max_tokens, "the language model went on past the limit and was cut");
                }
                if let Delta::Done(reason) = &delta {
                    measure::finished(*reason);
                }
                if sender.send(Ok(delta)).await.is_err() {
                    return Err(Error::Cancelled);
                }
                if done {
                    return Ok(());
                }
            }
            chunk?;
        }
    }

    fn late(&self, request: &ChatRequest, limits: Limits, seen: bool) -> Error {
        match seen {
            true => Error::Idle { limit: self.options.deadlines.idle },
            false if limits.first_token == limits.total => Error::Total { limit: self.total_limit(request) },
            false => Error::FirstToken { limit: self.first_token_limit(request) },
        }
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.options.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Without the address: it may hold a password.
    fn connect_error(&self, error: reqwest::Error) -> Error {
        Error::Connect { endpoint: self.options.endpoint_label(), source: error.without_url() }
    }

    fn breaker<T>(&self, ask: impl FnOnce(&mut CircuitBreaker) -> T) -> T {
        ask(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads on until the parser has found something or the answer has ended. The outer error is the connection's; the inner one
/// is the parser's, which counts only after what was found before it.
async fn next_chunk(
    response: &mut reqwest::Response,
    parser: &mut crate::Parser,
    found: &mut Vec<Delta>,
) -> Result<Result<(), Error>, Error> {
    while found.is_empty() {
        let chunk = response.chunk().await.map_err(|error| Error::Connection(error.without_url()))?;
        let Some(bytes) = chunk else {
            let end = parser.finish(found).map_err(Error::from);
            // An answer that has ended is not read again: `Done` is the last thing found.
            return Ok(end);
        };
        if let Err(error) = parser.push(&bytes, found) {
            return Ok(Err(error.into()));
        }
    }
    Ok(Ok(()))
}

/// What one answer may still cost: a server that ignores the limit it was given is cut by us.
struct Budget {
    deltas: u64,
    bytes: usize,
}

impl Budget {
    fn new(request: &ChatRequest) -> Self {
        let tokens = request.max_tokens.get();
        // A delta holds at least one token; servers that put more into one are bounded by bytes.
        Self { deltas: u64::from(tokens), bytes: 4096 + 32 * tokens as usize }
    }

    fn allows(&mut self, delta: &Delta) -> bool {
        let text = match delta {
            Delta::Text(text) | Delta::Thinking(text) | Delta::MalformedCall(text) => text,
            Delta::ToolCall(piece) => &piece.arguments,
            Delta::Usage(_) | Delta::Done(_) => return true,
        };
        let allowed = self.deltas > 0 && self.bytes >= text.len();
        self.deltas = self.deltas.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(text.len());
        allowed
    }
}

/// Gives the permit back whatever becomes of the request.
struct Admission {
    shared: Arc<Shared>,
    permit: Option<Permit>,
}

impl Admission {
    fn record(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            let now = Instant::now().into_std();
            self.shared.breaker(|breaker| breaker.record(permit, outcome, now));
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.record(Outcome::Abandoned);
    }
}

/// A small body, as far as it comes in time.
async fn body_within(mut response: reqwest::Response, deadline: Instant) -> Vec<u8> {
    const LIMIT: usize = 1024 * 1024;
    let mut body = Vec::new();
    while let Ok(Ok(Some(bytes))) = timeout_at(deadline, response.chunk()).await {
        body.extend_from_slice(&bytes);
        if body.len() > LIMIT {
            break;
        }
    }
    body
}

fn status_error(status: StatusCode, body: &[u8]) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let message = reported_message(body.get("error").unwrap_or(&Value::Null));
    let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let status = status.as_u16();
    if passing { Error::NotReady { status, message } } else { Error::Refused { status, message } }
}
