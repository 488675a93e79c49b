//! A gateway with rooms: the service in this process, NATS, Redis and LiveKit beside it. No database: whoever comes, comes
//! with a page token.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_bus::{Answering, Bus, Context};
use aether_gateway::{Options, Parts, Service};
use aether_identity::{Keyring, PageClaims, Scopes};
use aether_livekit::token::{self, Grant};
use aether_livekit::{ApiKey, Room, RoomAdmin, RoomEvent, RoomOptions, agent_identity, ffi, room_name};
use aether_proto::{
    AgentId, AgentState, Error, ErrorCode, PersonId, RoomControl, RoomControlReply, RoomName, SessionId, TenantId,
    room_control, subject,
};
use aether_store::{RoomLease, RoomState, Rooms, Store};
use aether_telemetry::HttpServer;
use aether_testkit as testkit;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub struct House {
    pub nats: testkit::Nats,
    pub redis: testkit::Redis,
    pub livekit: testkit::LiveKit,
    pub keyring: Keyring,
    agent_name: String,
    gateways: Vec<Gateway>,
}

struct Gateway {
    url: String,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    _spool: tempfile::TempDir,
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

pub fn acme() -> TenantId {
    tenant("acme")
}

pub async fn house() -> House {
    house_with_agent("").await
}

/// `agent_name`: the name that agents are called by.
pub async fn house_with_agent(agent_name: &str) -> House {
    let _ = rustls::crypto::ring::default_provider().install_default();
    ffi::init(&testkit::layout().library("liblivekit_ffi.so")).unwrap();
    let http = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let webhook = format!("http://{}/livekit/webhook", http.address());
    let (nats, redis, livekit) =
        tokio::join!(testkit::nats(), testkit::redis(), testkit::livekit_with_webhook(&webhook));
    let mut house = House {
        nats,
        redis,
        livekit,
        keyring: Keyring::new("a secret of more than thirty-two characters"),
        agent_name: agent_name.to_owned(),
        gateways: Vec::new(),
    };
    house.open(http).await;
    house
}

impl House {
    /// Another gateway beside the first. LiveKit tells it nothing.
    pub async fn second_gateway(&mut self) -> String {
        let http = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        self.open(http).await
    }

    async fn open(&mut self, http: HttpServer) -> String {
        let url = format!("http://{}", http.address());
        let spool = tempfile::tempdir().unwrap();
        let web = spool.path().join("web");
        let mut options = Options::new(self.keyring.clone(), &self.livekit.url, self.key(), web);
        options.agent_name.clone_from(&self.agent_name);
        let parts = Parts {
            bus: self.bus("gateway").await,
            // Nobody listens there.
            store: Store::connect(&aether_store::Options::new("postgres://nobody@127.0.0.1:1/nothing")).unwrap(),
            rooms: self.rooms(),
            admin: self.admin(),
            http,
            spool_folder: spool.path().to_owned(),
        };
        let shutdown = CancellationToken::new();
        let service = Service::new(options, parts);
        let running = service.run(shutdown.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        self.gateways.push(Gateway { url: url.clone(), shutdown, task, _spool: spool });
        url
    }

    pub fn url(&self) -> &str {
        &self.gateways[0].url
    }

    /// Stops the gateways as a signal would, and waits until they have ended.
    pub async fn close(&mut self) {
        for gateway in self.gateways.drain(..) {
            gateway.shutdown.cancel();
            tokio::time::timeout(Duration::from_secs(10), gateway.task).await.unwrap().unwrap();
        }
    }

    pub fn key(&self) -> ApiKey {
        ApiKey { key: self.livekit.api_key.clone(), secret: self.livekit.api_secret.clone() }
    }

    pub fn admin(&self) -> RoomAdmin {
        RoomAdmin::new(&self.livekit.url, &self.key()).unwrap()
    }

    pub fn rooms(&self) -> Rooms {
        Rooms::connect(&self.redis.url).unwrap()
    }

    pub async fn bus(&self, service: &str) -> Bus {
        let bus = Bus::connect(aether_bus::Options::new(&self.nats.url, service)).await.unwrap();
        bus.ready(Duration::from_secs(5)).await.unwrap();
        bus
    }

    /// A page token that holds for so long.
    pub fn token_for(&self, tenant: &str, person: Option<&str>, scopes: Scopes, lifetime: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.keyring.sign(&PageClaims {
            tenant: TenantId::new(tenant).unwrap(),
            agent: AgentId::new("aether").unwrap(),
            person: person.map(|person| PersonId::new(person).unwrap()),
            scopes,
            first_issued_at: now,
            expires_at: now + lifetime.as_secs(),
        })
    }

    pub fn page_token(&self, tenant: &str, person: &str) -> String {
        self.token_for(tenant, Some(person), Scopes::PAGE, Duration::from_secs(600))
    }

    pub fn admin_token(&self, tenant: &str) -> String {
        self.token_for(tenant, None, Scopes::ALL, Duration::from_secs(600))
    }

    pub async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        ask(self.url(), method, path, token, body).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, token, Some(body)).await
    }

    /// Comes into a room with what `/v1/rooms/token` answered.
    pub async fn enter(&self, answer: &Value) -> Person {
        let token = answer["participant_token"].as_str().unwrap();
        Person::enter(answer["server_url"].as_str().unwrap(), token).await
    }

    /// Comes into a room of acme's as LiveKit lets anybody with a token.
    pub async fn join(&self, name: &str, identity: &str) -> Person {
        let grant = Grant::new(room_name(&acme(), &room(name)), identity);
        Person::enter(&self.livekit.url, &token::person(&self.key(), grant).unwrap()).await
    }

    /// The metadata of the calls for agents that a gateway made for a room of acme's, oldest first.
    pub async fn calls(&self, name: &str) -> Vec<Value> {
        let Ok(mut calls) = self.admin().list_dispatches(&room_name(&acme(), &room(name))).await else {
            return Vec::new();
        };
        // The server's own call for a new room says nothing.
        calls.retain(|call| !call.metadata.is_empty());
        calls.sort_by(|a, b| a.id.cmp(&b.id));
        calls.iter().map(|call| serde_json::from_str(&call.metadata).unwrap()).collect()
    }
}

pub async fn ask(url: &str, method: Method, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = reqwest::Client::new().request(method, format!("{url}{path}")).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// Somebody in a room.
pub struct Person {
    pub room: Room,
    _reading: DropGuard,
}

impl Person {
    async fn enter(url: &str, token: &str) -> Self {
        let (room, mut events) = Room::connect(url, token, RoomOptions::default()).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Some(event) = events.recv().await {
                if matches!(event, RoomEvent::Disconnected { .. }) {
                    return;
                }
            }
        }));
        Self { room, _reading: stop.drop_guard() }
    }

    pub async fn leave(self) {
        self.room.close().await;
    }
}

/// What stands in for an agent: it holds a room as one does, and answers for it as one does.
pub struct StandIn {
    pub asked: mpsc::Receiver<RoomControl>,
    pub epoch: u64,
    pub lease: RoomLease,
    answers: Arc<AtomicBool>,
    bus: Bus,
    answering: Option<Answering>,
    beating: JoinHandle<()>,
    seat: Option<Person>,
}

impl StandIn {
    /// Takes the room and answers in it, without a seat in LiveKit.
    pub async fn take(house: &House, tenant: &TenantId, room: &RoomName, people: &[&str]) -> Self {
        let lease = house.rooms().acquire(tenant, room, "agent/stand-in", Duration::from_secs(5)).await.unwrap();
        let state = RoomState {
            agent_state: "LISTENING".to_owned(),
            people: people.iter().map(|one| (*one).to_owned()).collect(),
            session: Some(SessionId::generate()),
            ..RoomState::default()
        };
        lease.write_state(&state).await.unwrap();
        let (kept, session) = (lease.clone(), state.session.unwrap());
        let beating = tokio::spawn(async move {
            // As often as an agent does.
            let mut beat = tokio::time::interval(Duration::from_millis(1500));
            loop {
                beat.tick().await;
                let _ = kept.renew().await;
                let _ = kept.write_state(&state).await;
            }
        });
        let (sender, asked) = mpsc::channel(100);
        let bus = house.bus("agent").await;
        let people: Vec<String> = people.iter().map(|one| (*one).to_owned()).collect();
        let answers = Arc::new(AtomicBool::new(true));
        let is_answering = Arc::clone(&answers);
        let answering = bus
            .answer(&subject::room_control(tenant, room), move |_: Context, control: RoomControl| {
                let (sender, people, is_answering) = (sender.clone(), people.clone(), Arc::clone(&is_answering));
                async move {
                    if !is_answering.load(Ordering::Relaxed) {
                        std::future::pending::<()>().await;
                    }
                    if let Some(room_control::Action::Say(say)) = &control.action
                        && say.text == "busy"
                    {
                        return Err::<_, Error>(ErrorCode::Conflict.error("somebody else has the floor"));
                    }
                    if !matches!(control.action, Some(room_control::Action::Look(_))) {
                        let _ = sender.try_send(control);
                    }
                    Ok(RoomControlReply {
                        session_id: session.to_string(),
                        agent_state: AgentState::Listening.into(),
                        people,
                        holder: "agent/stand-in".to_owned(),
                        ..RoomControlReply::default()
                    })
                }
            })
            .await
            .unwrap();
        bus.ready(Duration::from_secs(5)).await.unwrap();
        let (epoch, answering) = (lease.epoch(), Some(answering));
        Self { asked, epoch, lease, answers, bus, answering, beating, seat: None }
    }

    /// Sits down in LiveKit's room, too.
    pub async fn sit_down(&mut self, house: &House, tenant: &TenantId, room: &RoomName) {
        let grant = Grant::new(room_name(tenant, room), agent_identity(room));
        let token = token::agent(&house.key(), grant).unwrap();
        self.seat = Some(Person::enter(&house.livekit.url, &token).await);
    }

    /// Nothing of it moves any more; what it had is still there.
    pub fn die(&mut self) {
        self.beating.abort();
        self.answering = None;
    }

    /// It is asked and does not answer, but holds on.
    pub fn hang(&self) {
        self.answers.store(false, Ordering::Relaxed);
    }

    /// Leaves as an agent should.
    pub async fn leave(mut self) {
        self.beating.abort();
        let _ = self.lease.clone().release().await;
        self.answering = None;
        if let Some(seat) = self.seat.take() {
            seat.leave().await;
        }
    }

    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Attributes of who is in a room, by identity.
pub async fn present(house: &House, name: &str) -> HashMap<String, HashMap<String, String>> {
    let there = house.admin().list_participants(&room_name(&acme(), &room(name))).await.unwrap();
    there.into_iter().map(|one| (one.identity.as_str().to_owned(), one.attributes)).collect()
}
