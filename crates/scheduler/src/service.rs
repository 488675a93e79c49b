//! The service from start to stop.

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, ServiceOptions};
use aether_proto::{JobControl, KernelEvent, KernelRequest, ReadyReply, ReadyRequest, subject};
use aether_store::Store;
use aether_telemetry::{Health, HttpServer, ServeError, http_router};
use futures::TryFutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clerk::Clerk;
use crate::kernel::Kernel;
use crate::kind::{self, Pool};
use crate::{Options, Settings, clock, control, pool, submission};

const NAME: &str = "scheduler";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Submissions and wishes that are worked on at once.
const REQUESTS: usize = 1024;
/// Before it is listened again to what others ring.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    pub http: HttpServer,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        let store = Store::connect(&aether_store::Options::new(settings.postgres.url.expose()))?;
        Ok(Self { bus, store, http })
    }
}

/// The scheduler, ready to [`run`](Service::run).
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

    /// Works until `shutdown`, then finishes what was begun.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, parts: Parts { bus, store, http }, health } = self;
        let (nats, postgres) = (health.part("nats"), health.part("postgres"));
        let jobs = health.optional_part("jobs");
        kind::begin_counting();
        let clerk = Clerk::start(&store);
        let kernel = Kernel::new(options, bus.clone(), store, clerk);
        tokio::select! {
            result = async {
                tokio::try_join!(
                    http.run(http_router(health.clone()), shutdown.clone()).err_into(),
                    work(&kernel, &health, &shutdown),
                )
            } => result.map(|_| ()),
            never = bus.watch(&nats) => match never {},
            never = clock::renew(&kernel) => match never {},
            never = clock::look(&kernel, &postgres) => match never {},
            never = clock::count(&kernel, &jobs) => match never {},
            never = listen(&kernel, subject::JOBS_WAKE, |kernel, _| kernel.bell.notify_waiters()) => match never {},
            never = listen(&kernel, subject::JOBS_STOP, stop) => match never {},
        }
    }
}

fn stop(kernel: &Kernel, event: &KernelEvent) {
    if let Ok(job) = event.job_id.parse() {
        kernel.stop(job);
    }
}

async fn listen(kernel: &Kernel, subject: &str, heard: fn(&Kernel, &KernelEvent)) -> std::convert::Infallible {
    loop {
        if let Ok(mut events) = kernel.bus.subscribe::<KernelEvent>(subject).await {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => heard(kernel, &event.message),
                    Err(error) => tracing::debug!(%error, subject, "an event could not be read"),
                }
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Takes and does jobs until `shutdown`.
async fn work(kernel: &Arc<Kernel>, health: &Health, shutdown: &CancellationToken) -> Result<(), Error> {
    let description = ServiceOptions {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        description: "does what is done beside conversations".to_owned(),
        max_calls: REQUESTS,
    };
    let (submitting, controlling, health) = (Arc::clone(kernel), Arc::clone(kernel), health.clone());
    let running = kernel
        .bus
        .service(description)
        .request(subject::JOBS_SUBMIT, move |context, request: KernelRequest| {
            let kernel = Arc::clone(&submitting);
            async move { submission::submit(&kernel, context, request).await }
        })
        .request(subject::JOBS_CONTROL, move |context, wish: JobControl| {
            let kernel = Arc::clone(&controlling);
            async move { control::control(&kernel, context, wish).await }
        })
        .request(subject::SCHEDULER_READY, move |_, ReadyRequest {}| {
            let report = health.report();
            std::future::ready(Ok(ReadyReply { ready: report.ready, waiting_for: report.waiting_for }))
        })
        .start()
        .await?;
    let (interactive, background) = (kernel.options.workers_interactive, kernel.options.workers_background);
    tracing::info!("Kernel started: {interactive} P-Cores, {background} E-Cores");
    let jobs = TaskTracker::new();
    tokio::join!(
        pool::run(Arc::clone(kernel), Pool::Interactive, interactive, jobs.clone(), shutdown.clone()),
        pool::run(Arc::clone(kernel), Pool::Background, background, jobs.clone(), shutdown.clone()),
    );
    running.stop(kernel.options.drain).await;
    jobs.close();
    if tokio::time::timeout(kernel.options.drain, jobs.wait()).await.is_err() {
        tracing::warn!(
            jobs = kernel.running(),
            "jobs were left in the middle; others take them up when their lease is over"
        );
    }
    Ok(())
}
