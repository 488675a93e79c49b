//! All of Aether, standing: the real servers on free ports, and the three services as processes of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use aether_audio::{ROOM_HZ, Resampler, pcm16, wav};
use aether_cli::person::{Exchange, Person};
use aether_livekit::{ApiKey, room_name, token};
use aether_proto::{RoomName, TenantId};
use aether_speech::stt::{Options, Priority, Request, Transcriber};
use aether_store::Store;
use aether_supervisor::part;
use aether_testkit::{self as testkit, LiveKit, Llm, Server, eventually};
use tokio::sync::{Mutex, MutexGuard};

const TENANT: &str = "default";
const SERVICE_PASSWORD: &str = "only-for-this-test";
/// The model that `aether up` uses by default: the smaller one does not know what it was told.
const MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";
/// A first answer on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

static DOOR: Mutex<()> = Mutex::const_new(());

pub struct House {
    pub nats: Server,
    pub redis: Server,
    pub postgres: Server,
    pub livekit: LiveKit,
    pub llm: Llm,
    pub brain: Server,
    pub tts: Server,
    pub agent: Server,
    _door: MutexGuard<'static, ()>,
}

impl House {
    pub async fn stand() -> Self {
        let door = DOOR.lock().await;
        // A second installation finds the first and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (nats, redis, postgres, livekit, llm) = tokio::join!(
            testkit::nats(),
            testkit::redis(),
            testkit::postgres(),
            testkit::livekit(),
            testkit::llm_with(MODEL)
        );
        Store::migrate(&postgres.url, SERVICE_PASSWORD).await.unwrap();
        let service_url = {
            let (_, place) = postgres.url.rsplit_once('@').unwrap();
            format!("postgres://aether_service:{SERVICE_PASSWORD}@{place}")
        };
        let environment = BTreeMap::from([
            ("AETHER_TENANT", TENANT.to_owned()),
            ("NATS_URL", nats.url.clone()),
            ("REDIS_URL", redis.url.clone()),
            ("POSTGRES_URL", service_url),
            ("LIVEKIT_URL", livekit.url.clone()),
            ("LIVEKIT_API_KEY", livekit.api_key.clone()),
            ("LIVEKIT_API_SECRET", livekit.api_secret.clone()),
            ("LLM_ENDPOINT", format!("{}/v1", llm.url)),
            ("LLM_DIALECT", "openai".to_owned()),
            ("LLM_MODEL", llm.model.clone()),
        ]);
        let (brain, tts, agent) =
            tokio::join!(service("brain", &environment), service("tts", &environment), service("agent", &environment));
        let house = Self { nats, redis, postgres, livekit, llm, brain, tts, agent, _door: door };
        for server in [&house.brain, &house.tts, &house.agent] {
            ready(server).await;
        }
        house
    }

    /// Somebody who has joined a room and to whom the agent listens.
    pub async fn person(&self, room: &str, identity: &str) -> Person {
        aether_livekit::ffi::init(&testkit::layout().parts().join("lib/liblivekit_ffi.so")).unwrap();
        let tenant = TenantId::new(TENANT).unwrap();
        let room = room_name(&tenant, &RoomName::new(room).unwrap());
        let key = ApiKey { key: self.livekit.api_key.clone(), secret: self.livekit.api_secret.clone() };
        let token = token::person(&key, token::Grant::new(room, identity)).unwrap();
        Person::join(&self.livekit.url, &token, Duration::from_secs(60)).await.unwrap()
    }

    /// A sentence in the voice of the house, as 48 kHz samples: how a test says what nobody has recorded.
    pub async fn recite(&self, sentence: &str) -> Vec<i16> {
        let reply = reqwest::Client::new()
            .post(format!("{}/tts/stream", self.tts.url))
            .json(&serde_json::json!({ "text": sentence }))
            .send()
            .await
            .unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
        samples(&reply.bytes().await.unwrap())
    }

    /// One question in a room of its own.
    pub async fn ask(&self, room: &str, identity: &str, question: Vec<i16>) -> Exchange {
        let mut person = self.person(room, identity).await;
        let exchange = person.ask(question, PATIENCE).await.unwrap();
        person.leave().await;
        exchange
    }
}

async fn service(name: &'static str, environment: &BTreeMap<&'static str, String>) -> Server {
    testkit::service(|folder| {
        let port = aether_testkit::free_port().unwrap();
        let mut environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        environment.insert(format!("AETHER_{}_BIND", name.to_uppercase()), format!("127.0.0.1:{port}"));
        environment.insert("AETHER_HOME".to_owned(), testkit::layout().home().display().to_string());
        let environment = environment.into_iter().collect();
        let log = folder.join(format!("{name}.log"));
        Ok(part::Service { name, program: program(name), port, environment, log }.component())
    })
    .await
}

/// Services that wait for something answer, but are not ready.
pub async fn ready(server: &Server) {
    let url = format!("{}/readyz", server.url);
    eventually(&format!("{url}\n{}", server.log()), 60, || async {
        reqwest::get(&url).await.is_ok_and(|reply| reply.status().is_success())
    })
    .await;
}

/// The programs lie beside the tests' folder: `cargo build --workspace` puts them there.
fn program(name: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap();
    let path = path.parent().and_then(|folder| folder.parent()).unwrap().join(format!("aether-{name}"));
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// A recording of `tests/audio` as 48 kHz samples.
pub fn recording(name: &str) -> Vec<i16> {
    samples(&testkit::audio(name))
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    let wav = wav::read(bytes).unwrap();
    pcm16::from_f32(&Resampler::convert(&wav.samples, wav.sample_rate_hz, ROOM_HZ).unwrap())
}

static TRANSCRIBER: LazyLock<Transcriber> = LazyLock::new(|| {
    let path = testkit::layout().model("whisper-tiny.en", "ggml-tiny.en.bin");
    Transcriber::load(&path, Options::default()).unwrap()
});

/// What an independent pair of ears makes of the sound.
pub async fn transcribe(audio: &[i16]) -> String {
    let samples = Resampler::convert(&pcm16::to_f32(audio), ROOM_HZ, 16_000).unwrap();
    let request = Request { samples, priority: Priority::Batch, lane: 0 };
    TRANSCRIBER.transcribe(request, tokio_util::sync::CancellationToken::new()).await.unwrap().text
}
