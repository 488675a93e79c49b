//! All of Aether, standing: the real servers on free ports, and the six services as processes of their own.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_audio::{ROOM_HZ, Resampler, pcm16, wav};
use aether_bus::OWNER;
use aether_cli::person::{Exchange, Person};
use aether_identity::{Keyring, PageClaims, Scopes};
use aether_livekit::{ApiKey, RoomAdmin, room_name, token};
use aether_proto::{AgentId, PersonId, RoomName, TenantId};
use aether_speech::stt::{Options, Priority, Request, Transcriber};
use aether_store::{Login, REDIS_OWNER, Rooms, Store, redis_users};
use aether_supervisor::part;
use aether_testkit::{self as testkit, Jaeger, LiveKit, Llm, Server, Users, eventually};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::caller::Caller;

/// The tenant of the house itself.
pub const TENANT: &str = "default";
const AGENT: &str = "aether";
const SERVICE_PASSWORD: &str = "only-for-this-test";
const IDENTITY_SECRET: &str = "only for this test, and long enough to be one";
const NOTIFIER_SECRET: &str = "another for this test, and as long as the first";
/// The model that `aether up` uses by default: the smaller one does not know what it was told.
const MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";
/// What the test kit gives each conversation.
const LLM_CONTEXT_TOKENS: &str = "2048";
/// A first answer on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// One house stands at a time.
static DOOR: Mutex<()> = Mutex::const_new(());
static SHARED: Mutex<Option<House>> = Mutex::const_new(None);
/// The tests that are in the shared house or wait for it.
static GUESTS: AtomicUsize = AtomicUsize::new(0);

pub struct House {
    pub nats: Server,
    pub redis: Server,
    pub postgres: Server,
    pub livekit: LiveKit,
    pub llm: Llm,
    pub brain: Server,
    pub tts: Server,
    pub agent: Server,
    pub scheduler: Server,
    pub notifier: Server,
    pub gateway: Server,
    environment: BTreeMap<&'static str, String>,
    _door: MutexGuard<'static, ()>,
}

/// The house that tests visit one after the other. It stands for as long as one is there or waits, and is not handed on by a test
/// that failed.
pub struct Shared(MutexGuard<'static, Option<House>>);

impl Deref for Shared {
    type Target = House;
    fn deref(&self) -> &House {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let was_last = GUESTS.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last || std::thread::panicking() {
            *self.0 = None;
        }
    }
}

impl House {
    /// For a test that breaks nothing, with rooms and people whose names no other such test uses.
    pub async fn shared() -> Shared {
        GUESTS.fetch_add(1, Ordering::SeqCst);
        let mut shared = Shared(SHARED.lock().await);
        if shared.0.is_none() {
            *shared.0 = Some(Self::stand().await);
        }
        shared
    }

    /// A house of its own, for a test that breaks something or needs it untouched.
    pub async fn stand() -> Self {
        Self::stand_with(&[]).await
    }

    /// The same under these settings, telling this Jaeger what it does.
    pub async fn stand_watched_by(jaeger: &Jaeger, settings: &[(&'static str, &str)]) -> Self {
        let watched = ("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.otlp_url.as_str());
        Self::stand_with(&[settings, &[watched]].concat()).await
    }

    async fn stand_with(settings: &[(&'static str, &str)]) -> Self {
        let door = DOOR.lock().await;
        // A second installation finds the first and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // LiveKit is told at its start where the gateway will be.
        let gateway_port = testkit::free_port().unwrap();
        let webhook = format!("http://127.0.0.1:{gateway_port}/livekit/webhook");
        let (nats, redis, postgres, livekit, llm) = tokio::join!(
            testkit::nats_for(nats_access()),
            testkit::redis_for(redis_access()),
            testkit::postgres(),
            testkit::livekit_with_webhook(&webhook),
            testkit::llm_with(MODEL)
        );
        Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
        let mut environment = BTreeMap::from([
            ("AETHER_TENANT", TENANT.to_owned()),
            ("AETHER_AGENT", AGENT.to_owned()),
            ("AETHER_HOME", testkit::layout().home().display().to_string()),
            ("AETHER_WEB", page().display().to_string()),
            ("AETHER_PUBLIC_URL", format!("http://127.0.0.1:{gateway_port}")),
            ("AETHER_IDENTITY_SECRET", IDENTITY_SECRET.to_owned()),
            ("AETHER_NOTIFIER_SECRET", NOTIFIER_SECRET.to_owned()),
            ("NATS_URL", nats.url.clone()),
            ("NATS_USER", OWNER.to_owned()),
            ("NATS_PASSWORD", SERVICE_PASSWORD.to_owned()),
            ("REDIS_URL", as_redis_owner(&redis.url)),
            ("LIVEKIT_URL", livekit.url.clone()),
            ("LIVEKIT_API_KEY", livekit.api_key.clone()),
            ("LIVEKIT_API_SECRET", livekit.api_secret.clone()),
            ("LLM_ENDPOINT", format!("{}/v1", llm.url)),
            ("LLM_DIALECT", "openai".to_owned()),
            ("LLM_MODEL", llm.model.clone()),
            ("LLM_CONTEXT_TOKENS", LLM_CONTEXT_TOKENS.to_owned()),
        ]);
        environment.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (brain, tts, agent, scheduler, notifier, gateway) = tokio::join!(
            service("brain", None, &environment, &postgres.url),
            service("tts", None, &environment, &postgres.url),
            service("agent", None, &environment, &postgres.url),
            service("scheduler", None, &environment, &postgres.url),
            service("notifier", None, &environment, &postgres.url),
            service("gateway", Some(gateway_port), &environment, &postgres.url)
        );
        let house = Self {
            nats,
            redis,
            postgres,
            livekit,
            llm,
            brain,
            tts,
            agent,
            scheduler,
            notifier,
            gateway,
            environment,
            _door: door,
        };
        house.all_ready().await;
        house
    }

    /// What a service is told, and a command that is to find the house.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Every service has what it needs.
    pub async fn all_ready(&self) {
        for server in [&self.brain, &self.tts, &self.agent, &self.scheduler, &self.notifier, &self.gateway] {
            ready(server).await;
        }
    }

    /// One more agent process beside the first, for this tenant's rooms.
    pub async fn another_agent(&self, tenant: &str) -> Server {
        let mut environment = self.environment.clone();
        environment.insert("AETHER_TENANT", tenant.to_owned());
        let agent = service("agent", None, &environment, &self.postgres.url).await;
        ready(&agent).await;
        agent
    }

    /// Somebody who has joined a room and to whom the agent listens.
    pub async fn person(&self, room: &str, identity: &str) -> Person {
        init_livekit();
        let token = token::person(&self.livekit_key(), token::Grant::new(livekit_name(room), identity)).unwrap();
        Person::join(&self.livekit.url, &token, Duration::from_secs(60)).await.unwrap()
    }

    /// The same, let in by the gateway: as a caller's own person.
    pub async fn visitor(&self, caller: &Caller, room: &str, name: &str) -> Person {
        init_livekit();
        let pass = caller.post("/v1/rooms/token", json!({ "room_name": room, "participant_name": name })).await;
        assert_eq!(pass.status, 201, "{}", pass.json);
        let (url, token) = (text(&pass.json, "server_url"), text(&pass.json, "participant_token"));
        Person::join(&url, &token, Duration::from_secs(60)).await.unwrap()
    }

    /// A caller of the gateway who may do everything a page may, as this person of this tenant.
    pub fn caller(&self, tenant: &str, person: &str) -> Caller {
        Caller::new(&self.gateway.url, &self.page_token(tenant, Some(person), Scopes::PAGE))
    }

    /// A caller who may do everything and is nobody.
    pub fn admin(&self, tenant: &str) -> Caller {
        Caller::new(&self.gateway.url, &self.page_token(tenant, None, Scopes::ALL))
    }

    /// What the link of the page carries.
    pub fn page_token(&self, tenant: &str, person: Option<&str>, scopes: Scopes) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Keyring::new(IDENTITY_SECRET).sign(&PageClaims {
            tenant: TenantId::new(tenant).unwrap(),
            agent: AgentId::new(AGENT).unwrap(),
            person: person.map(|person| PersonId::new(person).unwrap()),
            scopes,
            first_issued_at: now,
            expires_at: now + 3600,
        })
    }

    /// A key made over HTTP, as people get theirs.
    pub async fn key(&self, tenant: &str, person: &str) -> String {
        let made = self.admin(tenant).post("/v1/keys", json!({ "name": "a program", "person": person })).await;
        assert_eq!(made.status, 201, "{}", made.json);
        text(&made.json, "key")
    }

    /// A sentence in the voice of the house, as 48 kHz samples: how a test says what nobody has recorded.
    pub async fn recite(&self, sentence: &str) -> Vec<i16> {
        let reply = reqwest::Client::new()
            .post(format!("{}/tts/stream", self.tts.url))
            .json(&json!({ "text": sentence }))
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

    /// The turns of a session, as its people may read them, once there are `count` that have ended.
    pub async fn turns(&self, caller: &Caller, session: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/sessions/{session}");
        let ended = |reply: &Value| {
            let turns = reply["turns"].as_array().cloned().unwrap_or_default();
            turns.into_iter().filter(|turn| !turn["ended_at"].is_null()).collect::<Vec<_>>()
        };
        eventually(&format!("{count} turns of session {session}"), 30, || async {
            ended(&caller.get(&path).await.json).len() >= count
        })
        .await;
        ended(&caller.get(&path).await.json)
    }

    /// Whether LiveKit still has anybody in this room of the house's tenant, agents included.
    pub async fn occupied(&self, room: &str) -> bool {
        let admin = RoomAdmin::new(&self.livekit.url, &self.livekit_key()).unwrap();
        let name = livekit_name(room);
        // A room that is gone has nobody in it.
        admin.list_rooms().await.unwrap().contains(&name)
            && admin.list_participants(&name).await.is_ok_and(|present| !present.is_empty())
    }

    /// Whether an agent says in Redis that it has this room.
    pub async fn leased(&self, room: &str) -> bool {
        let rooms = Rooms::connect(&as_redis_owner(&self.redis.url)).unwrap();
        let holder = rooms.holder(&TenantId::new(TENANT).unwrap(), &RoomName::new(room).unwrap()).await;
        holder.unwrap().is_some()
    }

    /// How many rooms the agent is in.
    pub async fn conversations(&self) -> usize {
        let metrics = reqwest::get(format!("{}/metrics", self.agent.url)).await.unwrap().text().await.unwrap();
        let active = metrics.lines().find_map(|line| line.strip_prefix("voice_session_active "));
        // Nothing is shown before the first.
        active.map_or(0, |count| count.parse().unwrap())
    }

    /// Of tests that count: waits until those before have left the shared house.
    pub async fn until_empty(&self) {
        eventually("everybody has left", 60, || async { self.conversations().await == 0 }).await;
    }

    /// Somebody on the bus who may see everything.
    pub async fn operator(&self) -> async_nats::Client {
        let options = async_nats::ConnectOptions::with_user_and_password(OWNER.to_owned(), SERVICE_PASSWORD.to_owned());
        options.connect(&self.nats.url).await.unwrap()
    }

    fn livekit_key(&self) -> ApiKey {
        ApiKey { key: self.livekit.api_key.clone(), secret: self.livekit.api_secret.clone() }
    }
}

fn nats_access() -> Users {
    let config = aether_bus::authorization(|_| format!("\"{SERVICE_PASSWORD}\""));
    Users { config, owner: (OWNER.to_owned(), SERVICE_PASSWORD.to_owned()) }
}

fn init_livekit() {
    aether_livekit::ffi::init(&testkit::layout().parts().join("lib/liblivekit_ffi.so")).unwrap();
}

fn livekit_name(room: &str) -> String {
    room_name(&TenantId::new(TENANT).unwrap(), &RoomName::new(room).unwrap())
}

/// A field that must be a text.
pub fn text(object: &Value, field: &str) -> String {
    let text = object[field].as_str();
    assert!(text.is_some(), "no {field} in {object}");
    text.unwrap().to_owned()
}

fn redis_access() -> Users {
    let config = redis_users(|_| SERVICE_PASSWORD.to_owned());
    Users { config, owner: (REDIS_OWNER.to_owned(), SERVICE_PASSWORD.to_owned()) }
}

fn as_redis_owner(url: &str) -> String {
    url.replace("://", &format!("://{REDIS_OWNER}:{SERVICE_PASSWORD}@"))
}

async fn service(
    name: &'static str,
    port: Option<u16>,
    environment: &BTreeMap<&'static str, String>,
    postgres: &str,
) -> Server {
    let login = Login::ALL.into_iter().find(|login| login.service() == name);
    testkit::service(|folder| {
        let port = port.map_or_else(testkit::free_port, Ok).unwrap();
        let mut environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if let Some(login) = login {
            environment.insert("POSTGRES_URL".to_owned(), login.url(postgres, SERVICE_PASSWORD).unwrap());
        }
        environment.insert("NATS_USER".to_owned(), name.to_owned());
        let redis = environment["REDIS_URL"].replace(&format!("//{REDIS_OWNER}:"), &format!("//{name}:"));
        environment.insert("REDIS_URL".to_owned(), redis);
        environment.insert(format!("AETHER_{}_BIND", name.to_uppercase()), format!("127.0.0.1:{port}"));
        let environment = environment.into_iter().collect();
        let log = folder.join(format!("{name}.log"));
        Ok(part::Service { name, program: program(&format!("aether-{name}")), port, environment, log }.component())
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
pub fn program(name: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap();
    let path = path.parent().and_then(|folder| folder.parent()).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// The built page: where the set-up puts it, else where it is built.
fn page() -> PathBuf {
    let home = testkit::layout().home().join("web");
    if home.join("index.html").is_file() { home } else { repository("web/dist") }
}

/// A recording of `tests/audio` as 48 kHz samples.
pub fn recording(name: &str) -> Vec<i16> {
    samples(&testkit::audio(name))
}

pub fn samples(bytes: &[u8]) -> Vec<i16> {
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
