//! The service from start to stop.

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, ServiceOptions};
use aether_proto::{ReadyReply, ReadyRequest, subject};
use aether_store::Store;
use aether_telemetry::{Health, HttpServer, ServeError, http_router, metric};
use futures::TryFutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::mind::Mind;
use crate::tool::{self, Tool};
use crate::{Options, Settings, embed, facts, health, raw_completion, sentence, summaries, turn, turn_log};

const NAME: &str = "brain";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("LLM_ENDPOINT is not a URL")]
    Endpoint(#[from] url::ParseError),
    #[error("the language model's client can't be prepared")]
    Llm(#[from] aether_llm::Error),
    #[error("the connection to Postgres can't be prepared")]
    Store(#[from] aether_store::ConnectError),
    #[error("the connection to NATS can't be prepared")]
    Bus(#[from] aether_bus::ConnectError),
    #[error("the service can't be registered on the bus")]
    Register(#[from] aether_bus::StartError),
    #[error(transparent)]
    Http(#[from] ServeError),
}

/// What the service works with. All are there at once; whether the servers behind them answer is another matter.
pub struct Parts {
    pub bus: Bus,
    pub store: Store,
    pub llm: aether_llm::Client,
    pub http: HttpServer,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        let store = Store::connect(&aether_store::Options::new(settings.postgres.url.expose()))?;
        let llm = aether_llm::Client::new(llm_options(&settings.llm)?)?;
        Ok(Self { bus, store, llm, http })
    }
}

fn llm_options(settings: &aether_settings::LlmSettings) -> Result<aether_llm::Options, url::ParseError> {
    let dialect = match settings.dialect {
        aether_settings::Dialect::Ollama => aether_llm::Dialect::Ollama,
        aether_settings::Dialect::OpenAi => aether_llm::Dialect::OpenAi,
    };
    let defaults = aether_llm::Options::new(settings.endpoint.expose().parse()?, dialect, &settings.model);
    Ok(aether_llm::Options {
        api_key: settings.api_key.as_ref().map(|key| key.expose().to_owned()),
        context_tokens: Some(settings.context_tokens),
        deadlines: aether_llm::Deadlines {
            first_token: settings.first_token_timeout,
            idle: settings.idle_timeout,
            ..defaults.deadlines
        },
        ..defaults
    })
}

/// The brain, ready to [`run`](Service::run).
pub struct Service {
    options: Options,
    parts: Parts,
    health: Health,
}

impl Service {
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options, parts, health: Health::new(NAME, VERSION) }
    }

    /// How the service is; a clone that stays valid while it runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Answers until `shutdown`, then finishes what was begun. It takes calls from the first moment: what is missing becomes
    /// an error, or an answer without it, of the call that needs it.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        metric::from_zero(metric::TOOL_CALLS, &[("tool", &tool::ALL.map(Tool::name)), ("outcome", &["ok", "failed"])]);
        let Self { options, parts: Parts { bus, store, llm, http }, health } = self;
        let (nats, model) = (health.part("nats"), health.part("llm"));
        let (postgres, memory) = (health.optional_part("postgres"), health.optional_part("memory"));
        let mind = Arc::new(Mind::new(options, bus.clone(), llm, store));
        let keep_remembering = async {
            mind.memory.load(&mind.options.embedding, &mind.store, &memory).await;
            std::future::pending().await
        };
        tokio::select! {
            result = async {
                tokio::try_join!(
                    http.run(http_router(health.clone()), shutdown.clone()).err_into(),
                    answer(&bus, &mind, &health, &shutdown),
                )
            } => result.map(|_| ()),
            never = bus.watch(&nats) => match never {},
            never = health::watch_llm(&mind.llm, &model) => match never {},
            never = health::watch_postgres(&mind.store, &postgres) => match never {},
            never = keep_remembering => never,
        }
    }
}

fn readiness(health: &Health) -> ReadyReply {
    ReadyReply { ready: health.is_ready(), waiting_for: health.report().waiting_for }
}

/// Answers calls and follows the turn log until `shutdown`.
async fn answer(bus: &Bus, mind: &Arc<Mind>, health: &Health, shutdown: &CancellationToken) -> Result<(), Error> {
    let description = ServiceOptions {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        description: format!("thinks with {}", mind.llm.options().model),
        max_calls: mind.options.max_calls,
    };
    let (turns, completions, sentences) = (Arc::clone(mind), Arc::clone(mind), Arc::clone(mind));
    let (memory, learning, backfilling) = (mind.memory.clone(), mind.memory.clone(), mind.memory.clone());
    let store = mind.store.clone();
    let health = health.clone();
    let running = bus
        .service(description)
        .call(subject::BRAIN_REQUEST, move |call| turn::serve(Arc::clone(&turns), call))
        .call(subject::LLM_REQUEST, move |call| raw_completion::serve(Arc::clone(&completions), call))
        .request(subject::SENTENCE_REQUEST, move |_context, request| sentence::serve(Arc::clone(&sentences), request))
        .request(subject::EMBED_REQUEST, move |_context, request| embed::serve(memory.clone(), request))
        .request(subject::EMBEDDINGS_BACKFILL, move |context, request| {
            embed::backfill(backfilling.clone(), context, request)
        })
        .request(subject::FACTS_KEEP, move |context, request| facts::serve(learning.clone(), context, request))
        .request(subject::SUMMARIES_KEEP, move |context, request| summaries::serve(store.clone(), context, request))
        .request(subject::BRAIN_READY, move |_context, ReadyRequest {}| std::future::ready(Ok(readiness(&health))))
        .start()
        .await?;
    let consumer = turn_log::follow(bus, mind);
    shutdown.cancelled().await;
    // The log is followed to the last, so that what these turns say is written by this process if it still can be.
    // Without NATS nobody hears what is finished, so there is nothing to wait for.
    let drain = if *bus.connected().borrow() { mind.options.drain } else { Duration::ZERO };
    running.stop(drain).await;
    consumer.stop().await;
    Ok(())
}
