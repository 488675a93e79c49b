//! The service from start to stop.

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, ServiceOptions};
use aether_proto::{ReadyReply, ReadyRequest, subject};
use aether_telemetry::{Health, HttpServer, ServeError, http_router};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::synthesiser::Synthesiser;
use crate::voice_part::{self, VoiceHealth};
use crate::{Options, Settings, bus_call, http};

const NAME: &str = "tts";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long texts that are being spoken may take after the wish to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why the service can't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection to NATS can't be prepared")]
    Bus(#[from] aether_bus::ConnectError),
    #[error("the service can't be registered on the bus")]
    Register(#[from] aether_bus::StartError),
    #[error(transparent)]
    Http(#[from] ServeError),
}

/// What the service works with. Both are there at once; whether NATS answers is another matter.
pub struct Parts {
    pub bus: Bus,
    pub http: HttpServer,
}

impl Parts {
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let http = HttpServer::bind(settings.http.bind).await?;
        let bus = Bus::connect(aether_bus::Options::from_settings(NAME, &settings.nats)).await?;
        Ok(Self { bus, http })
    }
}

/// The tts service, ready to [`run`](Service::run).
pub struct Service {
    options: Arc<Options>,
    parts: Parts,
    health: Health,
}

impl Service {
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options: Arc::new(options), parts, health: Health::new(NAME, VERSION) }
    }

    /// How the service is; a clone that stays valid while it runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Answers until `shutdown`. The HTTP server is there from the first moment, the bus once there is a voice: a worker that
    /// can't speak yet must not take calls from one that can.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, parts: Parts { bus, http }, health } = self;
        let nats = health.part("nats");
        let voice = VoiceHealth { voice: health.part("voice"), espeak: health.part("espeak") };
        let (loaded, synthesiser) = watch::channel(None);
        let router = http_router(health.clone()).merge(http::router(synthesiser));
        let serve = async { Ok(http.run(router, shutdown.clone()).await?) };
        let speak = speak(&bus, &options, (&health, &voice), &loaded, &shutdown);
        tokio::select! {
            // Both end with `shutdown`, each after what it has begun; the first to fail ends the other.
            result = async { tokio::try_join!(serve, speak) } => result.map(|((), ())| ()),
            never = bus.watch(&nats) => match never {},
        }
    }
}

/// Loads the voice and answers with it until `shutdown`; then finishes what was begun.
async fn speak(
    bus: &Bus,
    options: &Arc<Options>,
    (health, voice_health): (&Health, &VoiceHealth),
    loaded: &watch::Sender<Option<Synthesiser>>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let Some(voice) = shutdown.run_until_cancelled(voice_part::load(options, voice_health)).await else {
        return Ok(());
    };
    let synthesiser = Synthesiser::new(&options.voice, voice, voice_health.espeak.clone(), options.max_calls);
    loaded.send_replace(Some(synthesiser.clone()));
    let description = ServiceOptions {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        description: format!("speaks texts with the voice {}", options.voice),
        max_calls: options.max_calls,
    };
    let health = health.clone();
    let running = bus
        .service(description)
        .request(subject::TTS_READY, move |_, _: ReadyRequest| {
            let report = health.report();
            std::future::ready(Ok(ReadyReply { ready: report.ready, waiting_for: report.waiting_for }))
        })
        .call(subject::TTS_REQUEST, move |call| bus_call::speak(synthesiser.clone(), call))
        .start()
        .await?;
    shutdown.cancelled().await;
    running.stop(GRACE).await;
    Ok(())
}
