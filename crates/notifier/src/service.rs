//! The service from start to stop.

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, ConsumeOptions, Context, DurableStream, ServiceOptions};
use aether_proto::{
    NotifyControl, NotifyWork, NotifyWorkReply, PersonId, ReadyReply, ReadyRequest, notify_work::Work, subject,
};
use aether_store::{Rooms, RoomsError, Store};
use aether_telemetry::{Health, HttpServer, PartHealth, ServeError, http_router, with_causes};
use futures::TryFutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use crate::channel::{Channels, ChannelsError};
use crate::desk::{Desk, invalid};
use crate::{Options, Settings, control, delivery, digest, intake, judgement};

const NAME: &str = "notifier";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Requests that are worked on at once.
const REQUESTS: usize = 256;
/// Events that may wait for another attempt before the stream stands still.
const WAITING: u16 = 1000;
/// Between two looks at the parts.
const LOOK: Duration = Duration::from_secs(5);

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection to Postgres can't be prepared")]
    Store(#[from] aether_store::ConnectError),
    #[error("the connection to Redis can't be prepared")]
    Rooms(#[from] RoomsError),
    #[error("the connection to NATS can't be prepared")]
    Bus(#[from] aether_bus::ConnectError),
    #[error("the service can't be registered on the bus")]
    Register(#[from] aether_bus::StartError),
    #[error("people can't be told outside page and rooms")]
    Channels(#[from] ChannelsError),
    #[error(transparent)]
    Http(#[from] ServeError),
}

/// What the service works with. All are there at once; whether the servers behind them answer is another matter.
pub struct Parts {
    pub bus: Bus,
    pub store: Store,
    pub rooms: Rooms,
    pub channels: Channels,
    pub http: HttpServer,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        let store = Store::connect(&aether_store::Options::new(settings.postgres.url.expose()))?;
        let rooms = Rooms::connect(settings.redis.url.expose())?;
        let channels = Channels::new(&settings.notifier)?;
        Ok(Self { bus, store, rooms, channels, http })
    }
}

/// The notifier, ready to [`run`](Service::run).
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
        let Self { options, parts: Parts { bus, store, rooms, channels, http }, health } = self;
        let (nats, postgres) = (health.part("nats"), health.part("postgres"));
        let redis = health.optional_part("redis");
        let desk = Arc::new(Desk { options, bus: bus.clone(), store, rooms, channels });
        tokio::select! {
            result = async {
                tokio::try_join!(
                    http.run(http_router(health.clone()), shutdown.clone()).err_into(),
                    work(&desk, &health, &shutdown),
                )
            } => result.map(|_| ()),
            never = bus.watch(&nats) => match never {},
            never = watch_redis(&desk, &redis) => match never {},
            never = watch_postgres(&desk, &postgres) => match never {},
        }
    }
}

async fn watch_redis(desk: &Desk, health: &PartHealth) -> std::convert::Infallible {
    loop {
        match desk.rooms.ready().await {
            Ok(()) => health.up(),
            Err(error) => health.down(format_args!("{error}; nobody is told in a room meanwhile")),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn watch_postgres(desk: &Desk, health: &PartHealth) -> std::convert::Infallible {
    loop {
        match desk.store.ready().await {
            Ok(()) => health.up(),
            Err(error) => health.down(with_causes(&error)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes events and answers requests until `shutdown`.
async fn work(desk: &Arc<Desk>, health: &Health, shutdown: &CancellationToken) -> Result<(), Error> {
    let description = ServiceOptions {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        description: "tells people what they want to know, at the right time".to_owned(),
        max_calls: REQUESTS,
    };
    let (working, controlling, health) = (Arc::clone(desk), Arc::clone(desk), health.clone());
    let running = desk
        .bus
        .service(description)
        .request(subject::NOTIFY_WORK, move |context, wanted: NotifyWork| {
            let desk = Arc::clone(&working);
            async move { its_time_has_come(&desk, &context, wanted).await }
        })
        .request(subject::NOTIFY_CONTROL, move |context, wish: NotifyControl| {
            let desk = Arc::clone(&controlling);
            async move { control::control(&desk, context, wish).await }
        })
        .request(subject::NOTIFIER_READY, move |_, ReadyRequest {}| {
            let report = health.report();
            std::future::ready(Ok(ReadyReply { ready: report.ready, waiting_for: report.waiting_for }))
        })
        .start()
        .await?;
    let options = ConsumeOptions { in_flight: WAITING, ..ConsumeOptions::new(DurableStream::Events, NAME) };
    let events = desk.bus.consume(options, {
        let desk = Arc::clone(desk);
        move |context, event| intake::take(Arc::clone(&desk), context, event)
    });
    shutdown.cancelled().await;
    events.stop().await;
    running.stop(desk.options.drain).await;
    Ok(())
}

async fn its_time_has_come(
    desk: &Desk,
    context: &Context,
    wanted: NotifyWork,
) -> Result<NotifyWorkReply, aether_proto::Error> {
    match wanted.work {
        Some(Work::Decide(id)) => {
            let span = info_span!("decide", notification = id);
            judgement::decide(desk, context, id.parse().map_err(invalid)?).instrument(span).await
        }
        Some(Work::Deliver(delivery)) => {
            let span = info_span!("deliver", notification = delivery.notification_id);
            delivery::deliver(desk, context, &delivery).instrument(span).await
        }
        Some(Work::Digest(person)) => {
            let person = PersonId::new(person).map_err(invalid)?;
            digest::tell(desk, context, &person).instrument(info_span!("digest")).await
        }
        None => Err(invalid("no work is named")),
    }
}
