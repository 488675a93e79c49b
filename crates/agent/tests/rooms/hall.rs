//! The servers, agents as processes of their own, and a brain that keeps its answers back while it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aether_bus::{AudioFrame, Bus, CallEnded, Context, Frame, IncomingCall, RunningService, ServiceOptions};
use aether_livekit::{ApiKey, DispatchRequest, RoomAdmin, room_name};
use aether_proto::{
    AgentId, BrainInput, BrainOutput, Done, Open, RoomControl, RoomControlReply, RoomName, TenantId, TextChunk,
    TtsDone, TtsInput, TtsOutput, brain_input, brain_output, room_control, subject, tts_output,
};
use aether_store::Rooms;
use aether_supervisor::part;
use aether_testkit::{self as testkit, LiveKit, Nats, Redis, Server, eventually};
use tokio::sync::Semaphore;

pub const TENANT: &str = "acme";

pub struct Hall {
    pub nats: Nats,
    pub redis: Redis,
    pub livekit: LiveKit,
    pub bus: Bus,
    pub rooms: Rooms,
    pub brain: PlayedBrain,
    _service: RunningService,
}

/// Answers "Yes.", or what it is told to, as often as there are permits.
#[derive(Clone)]
pub struct PlayedBrain {
    pub permits: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<(Open, String)>>>,
    answer: Arc<Mutex<String>>,
}

impl Hall {
    pub async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        aether_livekit::ffi::init(&testkit::layout().library("liblivekit_ffi.so")).unwrap();
        let (nats, redis, livekit) = tokio::join!(testkit::nats(), testkit::redis(), testkit::livekit());
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "brain")).await.unwrap();
        let brain = PlayedBrain {
            permits: Arc::new(Semaphore::new(0)),
            asked: Arc::default(),
            answer: Arc::new(Mutex::new("Yes.".to_owned())),
        };
        let service = brain.start(&bus).await;
        let rooms = Rooms::connect(&redis.url).unwrap();
        Self { nats, redis, livekit, bus, rooms, brain, _service: service }
    }

    /// An agent process that is ready to take rooms.
    pub async fn agent(&self) -> Server {
        self.agent_with(&[]).await
    }

    /// The same, with settings of its own.
    pub async fn agent_with(&self, settings: &[(&str, &str)]) -> Server {
        let environment: [(&str, &str); 7] = [
            ("AETHER_TENANT", TENANT),
            ("NATS_URL", &self.nats.url),
            ("REDIS_URL", &self.redis.url),
            ("LIVEKIT_URL", &self.livekit.url),
            ("LIVEKIT_API_KEY", &self.livekit.api_key),
            ("LIVEKIT_API_SECRET", &self.livekit.api_secret),
            ("WHISPER_MODEL", "whisper-tiny.en"),
        ];
        let agent = testkit::service(|folder| {
            let port = testkit::free_port().unwrap();
            let mut environment: Vec<(String, String)> = environment
                .iter()
                .chain(settings)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            environment.push(("AETHER_AGENT_BIND".to_owned(), format!("127.0.0.1:{port}")));
            environment.push(("AETHER_HOME".to_owned(), testkit::layout().home().display().to_string()));
            let program = env!("CARGO_BIN_EXE_aether-agent").into();
            let log = folder.join("agent.log");
            Ok(part::Service { name: "agent", program, port, environment, log }.component())
        })
        .await;
        let url = format!("{}/readyz", agent.url);
        eventually("the agent is ready", 60, || async {
            reqwest::get(&url).await.is_ok_and(|reply| reply.status().is_success())
        })
        .await;
        agent
    }

    pub fn key(&self) -> ApiKey {
        ApiKey { key: self.livekit.api_key.clone(), secret: self.livekit.api_secret.clone() }
    }

    pub async fn control(&self, action: room_control::Action) -> Result<RoomControlReply, aether_bus::Error> {
        let context = Context::new(tenant(), AgentId::new("aether").unwrap()).with_deadline(Duration::from_secs(2));
        let subject = subject::room_control(&tenant(), &kitchen());
        self.bus.request(&context, &subject, &RoomControl { action: Some(action) }).await
    }

    /// A voice that says this recording, whatever it is asked to say.
    pub async fn voice(&self, clip: &str) -> RunningService {
        let clip = aether_audio::wav::read(&testkit::audio(clip)).unwrap();
        let pcm = aether_audio::pcm16::to_bytes(&aether_audio::pcm16::from_f32(&clip.samples));
        let frames: Vec<_> = pcm
            .chunks(3_200)
            .map(|pcm| AudioFrame { sample_rate_hz: clip.sample_rate_hz, channels: 1, pcm: pcm.to_vec().into() })
            .collect();
        let options = ServiceOptions {
            name: "tts".to_owned(),
            version: "0.0.1".to_owned(),
            description: "plays its part in a test".to_owned(),
            max_calls: 8,
        };
        let speak = move |call: IncomingCall<TtsInput, TtsOutput>| {
            let frames = frames.clone();
            async move {
                for frame in frames {
                    call.send_audio(frame).await?;
                }
                call.send(&TtsOutput { output: Some(tts_output::Output::Done(TtsDone::default())) }).await?;
                Ok(())
            }
        };
        self.bus.service(options).call(subject::TTS_REQUEST, speak).start().await.unwrap()
    }

    /// Calls an agent once nobody answers for the room any more, as whoever looks after the rooms does.
    pub async fn call_after(&self, dead_epoch: u64) {
        eventually("nobody answers for the room", 10, || async {
            matches!(self.look().await, Err(aether_bus::Error::NoWorker { .. }))
        })
        .await;
        let metadata = format!(r#"{{"returning":true,"dead_epoch":{dead_epoch}}}"#);
        let admin = RoomAdmin::new(&self.livekit.url, &self.key()).unwrap();
        admin.create_dispatch(DispatchRequest { room: room(), metadata, ..Default::default() }).await.unwrap();
    }

    pub async fn look(&self) -> Result<RoomControlReply, aether_bus::Error> {
        self.control(room_control::Action::Look(aether_proto::Look {})).await
    }
}

impl PlayedBrain {
    /// The opening of each committed turn and its words.
    pub fn asked(&self) -> Vec<(Open, String)> {
        self.asked.lock().unwrap().clone()
    }

    pub fn answers(&self, text: &str) {
        text.clone_into(&mut self.answer.lock().unwrap());
    }

    async fn start(&self, bus: &Bus) -> RunningService {
        let brain = self.clone();
        let options = ServiceOptions {
            name: "brain".to_owned(),
            version: "0.0.1".to_owned(),
            description: "plays its part in a test".to_owned(),
            max_calls: 8,
        };
        bus.service(options).call(subject::BRAIN_REQUEST, move |call| brain.clone().answer(call)).start().await.unwrap()
    }

    async fn answer(self, mut call: IncomingCall<BrainInput, BrainOutput>) -> Result<(), aether_proto::Error> {
        let Some(brain_input::Input::Open(open)) = call.open().input.clone() else { return Ok(()) };
        let words = loop {
            let frame = call.next().await.ok_or(CallEnded)?;
            if let Frame::Message(BrainInput { input: Some(brain_input::Input::Commit(commit)) }) = frame {
                break commit.text;
            }
        };
        self.asked.lock().unwrap().push((open, words));
        let over = call.cancelled();
        over.run_until_cancelled(self.permits.acquire()).await.ok_or(CallEnded)?.unwrap().forget();
        let text = self.answer.lock().unwrap().clone();
        let text = brain_output::Output::TextChunk(TextChunk { index: 0, text });
        call.send(&BrainOutput { output: Some(text) }).await?;
        call.send(&BrainOutput { output: Some(brain_output::Output::Done(Done::default())) }).await?;
        Ok(())
    }
}

pub fn tenant() -> TenantId {
    TenantId::new(TENANT).unwrap()
}

pub fn kitchen() -> RoomName {
    RoomName::new("kitchen").unwrap()
}

/// LiveKit's name of it.
pub fn room() -> String {
    room_name(&tenant(), &kitchen())
}
