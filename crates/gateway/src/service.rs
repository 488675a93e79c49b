//! The service from start to stop.

use std::path::PathBuf;
use std::sync::Arc;

use aether_bus::{Bus, TurnLog, TurnLogOptions};
use aether_livekit::{ApiKey, RoomAdmin};
use aether_store::{Rooms, Store};
use aether_telemetry::{Health, HttpServer, ServeError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Inner};
use crate::chat::{Conversations, Errands};
use crate::hub::Hub;
use crate::key_ring::KeyRing;
use crate::latency::Latency;
use crate::people::Names;
use crate::reconciler::{Reconciler, Watch};
use crate::{Options, Settings, health, route};

const NAME: &str = "gateway";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection to NATS can't be prepared")]
    Bus(#[from] aether_bus::ConnectError),
    #[error("the connection to Postgres can't be prepared")]
    Store(#[from] aether_store::ConnectError),
    #[error(transparent)]
    Redis(#[from] aether_store::RoomsError),
    #[error(transparent)]
    LiveKit(#[from] aether_livekit::AdminError),
    #[error(transparent)]
    Spool(#[from] aether_bus::SpoolError),
    #[error(transparent)]
    Http(#[from] ServeError),
}

/// What the service works with. All are there at once; whether the servers behind them answer is another matter.
pub struct Parts {
    pub bus: Bus,
    pub store: Store,
    pub rooms: Rooms,
    pub admin: RoomAdmin,
    pub http: HttpServer,
    /// Where the turn log waits while NATS is away.
    pub spool_folder: PathBuf,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        let store = Store::connect(&aether_store::Options::new(settings.postgres.url.expose()))?;
        let rooms = Rooms::connect(settings.redis.url.expose())?;
        let livekit = &settings.livekit;
        let key = ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.expose().to_owned() };
        let admin = RoomAdmin::new(livekit.url.expose(), &key)?;
        Ok(Self { bus, store, rooms, admin, http, spool_folder: settings.home.spool() })
    }
}

/// The gateway, ready to [`run`](Service::run).
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

    /// Serves until `shutdown`, then finishes what was begun. Requests are taken from the first moment: what is missing
    /// becomes an error of the request that needs it.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, parts: Parts { bus, store, rooms, admin, http, spool_folder }, health } = self;
        let nats = health.part("nats");
        let (postgres, redis) = (health.optional_part("postgres"), health.optional_part("redis"));
        let (brain, livekit) = (health.optional_part("brain"), health.optional_part("livekit"));
        let turn_log = TurnLog::open(&bus, TurnLogOptions::new(&spool_folder)).await?;
        let latency = Latency::default();
        let app = App::new(Inner {
            hub: Hub::start(&bus, latency.clone()),
            bus,
            store,
            rooms,
            admin: Arc::new(admin),
            turn_log,
            watch: Watch::default(),
            keys: KeyRing::default(),
            names: Names::default(),
            conversations: Conversations::default(),
            errands: Errands::default(),
            latency,
            health,
            background: TaskTracker::new(),
            shutdown: shutdown.clone(),
            options,
        });
        let result = tokio::select! {
            result = http.run(route::router(&app), shutdown) => result,
            never = app.bus.watch(&nats) => match never {},
            never = health::watch_postgres(&app.store, &postgres) => match never {},
            never = health::watch_redis(&app.rooms, &redis) => match never {},
            never = health::watch_brain(&app, &brain) => match never {},
            never = health::watch_livekit(&app.admin, &livekit) => match never {},
            never = Reconciler { app: app.clone() }.run() => match never {},
        };
        // What was said is written down to the end, also of answers whose reader has gone.
        app.background.close();
        if tokio::time::timeout(app.options.drain, app.background.wait()).await.is_err() {
            tracing::warn!(limit = ?app.options.drain, "not everything was written down in time");
        }
        Ok(result?)
    }
}
