//! The process: its parts, its health, its worker.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog, TurnLogOptions};
use aether_livekit::worker::WorkerState;
use aether_livekit::{Worker, WorkerOptions};
use aether_proto::InstanceId;
use aether_store::Rooms;
use aether_telemetry::{Health, HttpServer, PartHealth, http_router};
use aether_voice::lane::Ears;
use aether_voice::{Phrases, session};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::jobs::Jobs;
use crate::options::Options;
use crate::{Settings, ears, visit};

const NAME: &str = "agent";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Rooms are finished before the process ends, but not for ever: less than the supervisor waits before it kills.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
const REDIS_LOOK: Duration = Duration::from_secs(2);

/// Why the process can't start, or can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Bus(#[from] aether_bus::ConnectError),
    #[error(transparent)]
    Redis(#[from] aether_store::RoomsError),
    #[error(transparent)]
    Spool(#[from] aether_bus::SpoolError),
    #[error(transparent)]
    Worker(#[from] aether_livekit::worker::Error),
    #[error(transparent)]
    Http(#[from] aether_telemetry::ServeError),
    /// It lives in this process and nothing can bring it back there: whoever started the process starts it again.
    #[error("the LiveKit library has panicked, and every room of this process with it")]
    LibraryFailed,
}

/// What the process works with. Servers that are away are waited for later.
pub struct Parts {
    pub bus: Bus,
    pub rooms: Rooms,
    pub http: HttpServer,
    pub spool_folder: PathBuf,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        let rooms = Rooms::connect(settings.redis.url.expose())?;
        Ok(Self { bus, rooms, http, spool_folder: settings.home.spool() })
    }
}

/// One agent process.
pub struct Service {
    options: Options,
    parts: Parts,
    ears: Option<Ears>,
    health: Health,
}

impl Service {
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options, parts, ears: None, health: Health::new(NAME, VERSION) }
    }

    /// Listens with these instead of loading what the options name. Whoever made them has loaded LiveKit's library, too.
    #[must_use]
    pub fn with_ears(mut self, ears: Ears) -> Self {
        self.ears = Some(ears);
        self
    }

    /// How the service is; a clone that stays valid while it runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Takes rooms until `shutdown`, then finishes what is being said in each. The HTTP server is there from the first
    /// moment; rooms are taken once there are ears.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, parts: Parts { bus, rooms, http, spool_folder }, ears, health } = self;
        let (nats, redis) = (health.part("nats"), health.optional_part("redis"));
        let (livekit, speech) = (health.part("livekit"), health.part("speech"));
        let end_of_turn = health.optional_part("end of turn");
        let turn_log = TurnLog::open(&bus, TurnLogOptions::new(&spool_folder)).await?;
        let phrases = Phrases::default();
        let context = Context::new(options.identity.tenant.clone(), options.identity.agent.clone());
        // Health is shown while rooms drain, so the server ends after them.
        let ended = CancellationToken::new();
        let serve = async { Ok(http.run(http_router(health), ended.clone()).await?) };
        let work = async {
            let _end = ended.clone().drop_guard();
            let loading = ears::ready(ears, &options.ears, &speech, &end_of_turn);
            let Some(ears) = shutdown.run_until_cancelled(loading).await else { return Ok(()) };
            let library_failed = CancellationToken::new();
            let session = session::Parts { bus: bus.clone(), turn_log, ears, phrases: phrases.clone() };
            let parts = visit::Parts { session, library_failed };
            take_rooms(options, parts, rooms.clone(), &livekit, shutdown.clone()).await
        };
        let prepare = async {
            phrases.prepare(&bus, &context).await;
            std::future::pending().await
        };
        tokio::select! {
            // The first to fail ends the other.
            result = async { tokio::try_join!(serve, work) } => result.map(|((), ())| ()),
            never = prepare => match never {},
            never = bus.watch(&nats) => match never {},
            never = watch_redis(&rooms, &redis) => match never {},
        }
    }
}

async fn take_rooms(
    options: Options,
    parts: visit::Parts,
    rooms: Rooms,
    livekit: &PartHealth,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let worker = Worker::new(WorkerOptions {
        url: options.livekit_url.clone(),
        key: options.livekit_key.clone(),
        agent_name: options.agent_name.clone(),
        version: VERSION.to_owned(),
        max_sessions: options.max_sessions,
        drain_timeout: DRAIN_TIMEOUT,
    })?;
    let state = worker.state();
    let holder = format!("{NAME}/{}", InstanceId::generate());
    let library_failed = parts.library_failed.clone();
    let jobs = Jobs::new(Arc::new(options), parts, rooms, &holder);
    tokio::select! {
        () = Box::pin(worker.run(jobs, shutdown)) => Ok(()),
        () = library_failed.cancelled() => Err(Error::LibraryFailed),
        never = watch_worker(state, livekit) => match never {},
    }
}

async fn watch_redis(rooms: &Rooms, redis: &PartHealth) -> Infallible {
    loop {
        match rooms.ready().await {
            Ok(()) => redis.up(),
            Err(error) => redis.degraded(format_args!("rooms are taken without a lease: {error}")),
        }
        tokio::time::sleep(REDIS_LOOK).await;
    }
}

async fn watch_worker(mut state: watch::Receiver<WorkerState>, livekit: &PartHealth) -> Infallible {
    loop {
        match &*state.borrow_and_update() {
            WorkerState::Registered { .. } => livekit.up(),
            WorkerState::Connecting { reason } => {
                livekit.waiting(format_args!("not registered with LiveKit: {reason}"));
            }
            WorkerState::Draining => livekit.down("draining: no more rooms are taken"),
            WorkerState::Stopped => livekit.down("stopped"),
        }
        if state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
