//! The process: its parts, its health, its worker.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use aether_bus::{Bus, TurnLog, TurnLogOptions};
use aether_livekit::worker::WorkerState;
use aether_livekit::{ApiKey, Worker, WorkerOptions};
use aether_models::ModelStore;
use aether_proto::{IdError, InstanceId, PersonId};
use aether_settings::IdentitySettings;
use aether_speech::{stt, vad};
use aether_store::Rooms;
use aether_telemetry::{Health, HttpServer, PartHealth};
use aether_voice::lane::{self, Ears};
use aether_voice::session::Policy;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::jobs::Jobs;
use crate::visit;

const NAME: &str = "agent";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const GREETING: &str = "Hello! How can I help you?";
/// Rooms are finished before the process ends, but not for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
const REDIS_LOOK: Duration = Duration::from_secs(2);

/// What one agent process does, apart from what it works with.
#[derive(Debug, Clone)]
pub struct Options {
    pub bind: SocketAddr,
    pub identity: IdentitySettings,
    pub livekit_url: String,
    pub livekit_key: ApiKey,
    /// Empty: the agent is sent into every room of its tenant.
    pub agent_name: String,
    /// As people see it in the room.
    pub name: String,
    pub max_sessions: u32,
    /// Said once, when the first person has come.
    pub greeting: Option<String>,
    pub lane: lane::Options,
    pub policy: Policy,
    pub spool_folder: PathBuf,
    /// Whoever can't be told apart.
    pub unknown_person: PersonId,
}

impl Options {
    pub fn new(settings: &Settings) -> Result<Self, IdError> {
        Ok(Self {
            bind: settings.http.bind,
            identity: settings.identity.clone(),
            livekit_url: settings.livekit.url.expose().to_owned(),
            livekit_key: ApiKey {
                key: settings.livekit.api_key.clone(),
                secret: settings.livekit.api_secret.expose().to_owned(),
            },
            agent_name: settings.livekit.agent_name.clone().unwrap_or_default(),
            name: settings.identity.agent.to_string(),
            max_sessions: settings.agent.max_sessions,
            greeting: Some(GREETING.to_owned()),
            lane: lane::Options { endpoint_silence: settings.agent.endpoint_silence, ..lane::Options::default() },
            policy: Policy::default(),
            spool_folder: settings.home.spool(),
            unknown_person: PersonId::new("somebody")?,
        })
    }
}

/// Why the process can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Library(#[from] aether_livekit::ffi::Error),
    #[error(transparent)]
    Onnx(#[from] aether_speech::onnx::Error),
    #[error(transparent)]
    Model(#[from] aether_models::Error),
    #[error(transparent)]
    VoiceActivity(#[from] vad::Error),
    #[error(transparent)]
    Transcriber(#[from] stt::Error),
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
    #[error(transparent)]
    Id(#[from] IdError),
}

/// What the process works with.
#[derive(Clone)]
pub struct Parts {
    pub bus: Bus,
    pub rooms: Rooms,
    pub ears: Ears,
}

impl Parts {
    /// Loads libraries and models and opens connections. Servers that are away are waited for later; files must be there.
    pub async fn load(settings: &Settings) -> Result<Self, Error> {
        aether_livekit::ffi::init(&settings.home.livekit_ffi())?;
        aether_speech::onnx::init(&settings.home.onnxruntime())?;
        let models = ModelStore::new(settings.home.models());
        let whisper = weights(&models, &settings.speech.whisper_model)?;
        let silero = weights(&models, "silero-vad")?;
        let transcription = stt::Options {
            threads: settings.speech.whisper_threads as usize,
            states: settings.speech.whisper_states as usize,
            ..stt::Options::default()
        };
        let ears = Ears {
            voice_activity: vad::Model::load(&silero)?,
            transcriber: stt::Transcriber::load(&whisper, transcription)?,
        };
        let bus = Bus::connect(aether_bus::Options {
            user: settings.nats.user.clone(),
            password: settings.nats.password.as_ref().map(|password| password.expose().to_owned()),
            ..aether_bus::Options::new(settings.nats.url.expose(), NAME)
        })
        .await?;
        let rooms = Rooms::connect(settings.redis.url.expose())?;
        Ok(Self { bus, rooms, ears })
    }
}

/// The file that a model is loaded from: the first of its manifest entry.
fn weights(models: &ModelStore, id: &str) -> Result<PathBuf, aether_models::Error> {
    let files = models.require_all(id)?;
    files.into_iter().next().ok_or_else(|| aether_models::Error::UnknownModel { id: id.to_owned() })
}

/// One agent process.
pub struct Service {
    options: Options,
    parts: Parts,
    health: Health,
}

impl Service {
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options, parts, health: Health::new(NAME, VERSION) }
    }

    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Takes rooms until `shutdown`, then finishes what is being said in each.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, parts, health } = self;
        let server = HttpServer::bind(options.bind).await?;
        tracing::info!(address = %server.address(), "listening");
        let ended = CancellationToken::new();
        let _end = ended.clone().drop_guard();
        let http = tokio::spawn(server.run(aether_telemetry::http_router(health.clone()), ended.clone()));

        let turn_log = TurnLog::open(&parts.bus, TurnLogOptions::new(&options.spool_folder)).await?;
        let worker = Worker::new(WorkerOptions {
            url: options.livekit_url.clone(),
            key: options.livekit_key.clone(),
            agent_name: options.agent_name.clone(),
            version: VERSION.to_owned(),
            max_sessions: options.max_sessions,
            drain_timeout: DRAIN_TIMEOUT,
        })?;
        health.part("speech").up();
        let watch = tokio::spawn(watch(health, worker.state(), parts.clone(), ended.clone()));

        let jobs = Jobs {
            holder: format!("agent/{}", InstanceId::generate()),
            parts: visit::Parts { bus: parts.bus, turn_log, ears: parts.ears },
            rooms: parts.rooms,
            taken: Mutex::new(HashMap::new()),
            options,
        };
        worker.run(jobs, shutdown).await;
        ended.cancel();
        // Both end with `ended`; a panic in one of them is already in the log.
        let _ = tokio::join!(http, watch);
        Ok(())
    }
}

/// Keeps `/health` true.
async fn watch(
    health: Health,
    mut worker: tokio::sync::watch::Receiver<WorkerState>,
    parts: Parts,
    ended: CancellationToken,
) {
    let (nats, livekit, redis) = (health.part("nats"), health.part("livekit"), health.optional_part("redis"));
    let mut connected = parts.bus.connected();
    let mut look = tokio::time::interval(REDIS_LOOK);
    show_nats(&nats, *connected.borrow_and_update());
    show_livekit(&livekit, &worker.borrow_and_update().clone());
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            changed = connected.changed() => match changed {
                Ok(()) => show_nats(&nats, *connected.borrow_and_update()),
                Err(_) => return,
            },
            changed = worker.changed() => match changed {
                Ok(()) => show_livekit(&livekit, &worker.borrow_and_update().clone()),
                Err(_) => return,
            },
            _ = look.tick() => match parts.rooms.ready().await {
                Ok(()) => redis.up(),
                Err(error) => redis.degraded(format_args!("rooms are taken without a lease: {error}")),
            },
        }
    }
}

fn show_nats(nats: &PartHealth, connected: bool) {
    if connected {
        nats.up()
    } else {
        nats.waiting("no connection to NATS; check that it runs and that NATS_URL is right")
    }
}

fn show_livekit(livekit: &PartHealth, state: &WorkerState) {
    match state {
        WorkerState::Registered { .. } => livekit.up(),
        WorkerState::Connecting { reason } => livekit.waiting(format_args!("not registered with LiveKit: {reason}")),
        WorkerState::Draining => livekit.down("draining: no more rooms are taken"),
        WorkerState::Stopped => livekit.down("stopped"),
    }
}
