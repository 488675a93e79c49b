//! A gateway with somebody who writes: the service in this process, NATS and Postgres beside it, and a brain that says what
//! a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_bus::{Bus, Frame, IncomingCall, RunningService, ServiceOptions, Subscription};
use aether_gateway::{Options, Parts, Service};
use aether_identity::{Keyring, PageClaims, Scopes};
use aether_livekit::{ApiKey, RoomAdmin};
use aether_proto::{
    AgentId, BrainInput, BrainOutput, ClientEvent, Commit, Done, Error, Open, PersonId, TenantId, TextChunk, ToolCall,
    TurnLogEntry, Usage, brain_input, brain_output, subject,
};
use aether_store::{Login, NewKeyRow, Rooms, Store};
use aether_telemetry::HttpServer;
use aether_testkit as testkit;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::{CancellationToken, DropGuard};

const SERVICE_PASSWORD: &str = "only-for-this-test";
const AGENT: &str = "aether";
const LLM_MODEL: &str = "org/small-model";

pub struct Desk {
    pub nats: testkit::Nats,
    pub postgres: testkit::Postgres,
    pub keyring: Keyring,
    pub url: String,
    /// Somebody else's connection to the same NATS.
    pub bus: Bus,
    pub web: tempfile::TempDir,
    http: reqwest::Client,
    _stop: DropGuard,
    _spool: tempfile::TempDir,
}

/// Where rooms are, for the tests that need any.
pub struct Places<'a> {
    pub redis: &'a str,
    pub livekit: &'a str,
    pub key: ApiKey,
}

impl Desk {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Options)) -> Self {
        let key = ApiKey { key: "key".into(), secret: "a secret of more than thirty-two characters".into() };
        // Nobody listens there.
        Self::open_at(Places { redis: "redis://127.0.0.1:1", livekit: "ws://127.0.0.1:1", key }, change).await
    }

    pub async fn open_at(places: Places<'_>, change: impl FnOnce(&mut Options)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (nats, postgres) = tokio::join!(testkit::nats(), testkit::postgres());
        Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
        let (spool, web) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keyring = Keyring::new("another secret of more than thirty-two characters");
        let mut options = Options::new(keyring.clone(), places.livekit, places.key.clone(), web.path());
        options.llm_model = LLM_MODEL.into();
        options.key_memory = Duration::from_millis(300);
        change(&mut options);
        let http = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", http.address());
        let parts = Parts {
            bus: connect(&nats, "gateway").await,
            store: store(&postgres.url, Login::Gateway),
            rooms: Rooms::connect(places.redis).unwrap(),
            admin: RoomAdmin::new(places.livekit, &places.key).unwrap(),
            http,
            spool_folder: spool.path().to_owned(),
        };
        let shutdown = CancellationToken::new();
        let running = Service::new(options, parts).run(shutdown.clone());
        tokio::spawn(async move { running.await.unwrap() });
        Self {
            bus: connect(&nats, "somebody").await,
            nats,
            postgres,
            keyring,
            url,
            web,
            http: reqwest::Client::new(),
            _stop: shutdown.drop_guard(),
            _spool: spool,
        }
    }

    /// The database, as this service reaches it.
    pub fn store_of(&self, login: Login) -> Store {
        store(&self.postgres.url, login)
    }

    /// A key as the store keeps it, made behind the gateway's back.
    pub async fn key(&self, tenant: &str, person: Option<&str>, scopes: &str) -> String {
        self.key_until(tenant, person, scopes, None).await.0
    }

    /// The key and its prefix.
    pub async fn key_until(
        &self,
        tenant: &str,
        person: Option<&str>,
        scopes: &str,
        expires_at: Option<OffsetDateTime>,
    ) -> (String, String) {
        let key = self.keyring.make_key();
        let mut transaction = self.store_of(Login::Gateway).tenant(&tenant_id(tenant)).await.unwrap();
        let person = person.map(person_id);
        let row = NewKeyRow {
            agent: &AgentId::new(AGENT).unwrap(),
            person: person.as_ref(),
            name: "of a test",
            prefix: &key.prefix,
            hash: &key.hash,
            scopes,
            expires_at,
        };
        transaction.insert_key(&row).await.unwrap();
        transaction.commit().await.unwrap();
        (key.text, key.prefix)
    }

    pub fn page_token(&self, tenant: &str, person: Option<&str>, scopes: Scopes) -> String {
        self.page_token_from(tenant, person, scopes, now_unix())
    }

    pub fn page_token_from(&self, tenant: &str, person: Option<&str>, scopes: Scopes, first_issued_at: u64) -> String {
        self.keyring.sign(&PageClaims {
            tenant: tenant_id(tenant),
            agent: AgentId::new(AGENT).unwrap(),
            person: person.map(person_id),
            scopes,
            first_issued_at,
            expires_at: now_unix() + 600,
        })
    }

    pub fn request(&self, method: Method, path: &str, bearer: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(bearer)
    }

    pub async fn send(&self, method: Method, path: &str, bearer: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = self.request(method, path, bearer);
        answer(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    pub async fn get(&self, path: &str, bearer: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, bearer, None).await
    }

    pub async fn post(&self, path: &str, bearer: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, bearer, Some(body)).await
    }

    pub fn completions(&self, bearer: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "/v1/chat/completions", bearer).json(body)
    }

    /// All that is written to turn logs from now on.
    pub async fn turn_log(&self) -> Subscription<TurnLogEntry> {
        let log = self.bus.subscribe(subject::ALL_TURNS).await.unwrap();
        self.bus.ready(Duration::from_secs(5)).await.unwrap();
        log
    }

    /// All that typed conversations show from now on.
    pub async fn events(&self) -> Subscription<ClientEvent> {
        let events = self.bus.subscribe(subject::ALL_PERSON_EVENTS).await.unwrap();
        self.bus.ready(Duration::from_secs(5)).await.unwrap();
        events
    }

    pub async fn brain(&self, script: impl Fn(&Open) -> Vec<Line> + Send + Sync + 'static) -> ScriptedBrain {
        ScriptedBrain::start(connect(&self.nats, "brain").await, script).await
    }
}

pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn connect(nats: &testkit::Nats, service: &str) -> Bus {
    let bus = Bus::connect(aether_bus::Options::new(&nats.url, service)).await.unwrap();
    bus.ready(Duration::from_secs(10)).await.unwrap();
    bus
}

pub fn tenant_id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub fn person_id(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a scripted brain does next.
#[derive(Debug, Clone)]
pub enum Line {
    Text(&'static str),
    Call(ToolCall),
    Usage(u32, u32),
    /// Ends well, for this reason.
    Done(&'static str),
    Fail(Error),
    Pause(Duration),
    /// Says nothing more until the caller gives up.
    Hang,
}

/// A brain that follows a script, for the shapes of what goes back and for failures on purpose. It never thinks.
pub struct ScriptedBrain {
    pub heard: Arc<Mutex<Vec<(Open, Commit)>>>,
    pub cancelled: Arc<AtomicUsize>,
    _running: RunningService,
}

impl ScriptedBrain {
    async fn start(bus: Bus, script: impl Fn(&Open) -> Vec<Line> + Send + Sync + 'static) -> Self {
        let (heard, cancelled) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (script, hearing, counting) = (Arc::new(script), Arc::clone(&heard), Arc::clone(&cancelled));
        let options = ServiceOptions {
            name: "brain".into(),
            version: "0.0.1".into(),
            description: "follows a script".into(),
            max_calls: 16,
        };
        let running = bus
            .service(options)
            .call(subject::BRAIN_REQUEST, move |call| {
                let (script, heard, cancelled) = (Arc::clone(&script), Arc::clone(&hearing), Arc::clone(&counting));
                async move { play(call, &*script, &heard, &cancelled).await }
            })
            .start()
            .await
            .unwrap();
        bus.ready(Duration::from_secs(5)).await.unwrap();
        Self { heard, cancelled, _running: running }
    }

    pub fn opens(&self) -> Vec<Open> {
        self.heard.lock().unwrap().iter().map(|(open, _)| open.clone()).collect()
    }

    pub fn commits(&self) -> Vec<Commit> {
        self.heard.lock().unwrap().iter().map(|(_, commit)| commit.clone()).collect()
    }

    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }
}

async fn play(
    mut call: IncomingCall<BrainInput, BrainOutput>,
    script: &(impl Fn(&Open) -> Vec<Line> + Send + Sync),
    heard: &Mutex<Vec<(Open, Commit)>>,
    cancelled: &AtomicUsize,
) -> Result<(), Error> {
    let Some(brain_input::Input::Open(open)) = call.open().input.clone() else { panic!("a call without an opening") };
    let Some(Frame::Message(BrainInput { input: Some(brain_input::Input::Commit(commit)) })) = call.next().await else {
        cancelled.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    };
    heard.lock().unwrap().push((open.clone(), commit));
    let mut index = 0;
    for line in script(&open) {
        let output = match line {
            Line::Text(text) => {
                index += 1;
                brain_output::Output::TextChunk(TextChunk { index: index - 1, text: text.into() })
            }
            Line::Call(call) => brain_output::Output::ToolCall(call),
            Line::Usage(input_tokens, output_tokens) => {
                brain_output::Output::Usage(Usage { model: LLM_MODEL.into(), input_tokens, output_tokens })
            }
            Line::Done(reason) => brain_output::Output::Done(Done { finish_reason: reason.into(), ..Done::default() }),
            Line::Fail(error) => return Err(error),
            Line::Pause(pause) => {
                tokio::time::sleep(pause).await;
                continue;
            }
            Line::Hang => {
                call.cancelled().cancelled().await;
                cancelled.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        };
        if call.send(&BrainOutput { output: Some(output) }).await.is_err() {
            cancelled.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
    }
    Ok(())
}

fn store(url: &str, login: Login) -> Store {
    Store::connect(&aether_store::Options::new(login.url(url, SERVICE_PASSWORD).unwrap())).unwrap()
}
