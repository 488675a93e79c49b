//! A notifier in its house: real NATS, Postgres and Redis, a scheduler, and somebody who knows something.

use std::time::Duration;

use aether_bus::{Bus, Context, DurableStream, Error};
use aether_notifier::{Channels, Options, Parts, Service};
use aether_proto::{
    AgentId, NotificationTarget, NotifyControl, NotifyControlReply, PersonId, PluginEvent, ReadyReply, ReadyRequest,
    TenantId, Urgency, notify_control::Wish, subject,
};
use aether_settings::{NotifierSettings, Secret};
use aether_store::{Login, NotificationQuery, NotificationRow, Rooms, Store};
use aether_telemetry::HttpServer;
use aether_testkit as testkit;
use testkit::{Nats, Postgres, Redis};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SERVICE_PASSWORD: &str = "only-for-this-test";

pub struct House {
    pub nats: Nats,
    pub postgres: Postgres,
    pub redis: Redis,
    pub store_url: String,
    pub store: Store,
    /// Somebody else's connection to the same NATS.
    pub bus: Bus,
    pub context: Context,
    _scheduler: CancellationToken,
}

/// A running notifier. Aborted it dies as a process would, in the middle of whatever it does.
pub struct Notifier {
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), aether_notifier::Error>>,
}

impl House {
    pub async fn build() -> Self {
        let (nats, postgres, redis) = tokio::join!(testkit::nats(), testkit::postgres(), testkit::redis());
        Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
        let url = |login: Login| login.url(&postgres.url, SERVICE_PASSWORD).unwrap();
        let store_url = url(Login::Notifier);
        let store = Store::connect(&aether_store::Options::new(&store_url)).unwrap();
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "somebody")).await.unwrap();
        bus.ready(Duration::from_secs(10)).await.unwrap();
        let context = Context::new(TenantId::new("acme").unwrap(), AgentId::new("aether").unwrap());
        let scheduler = scheduler(&nats.url, &url(Login::Scheduler)).await;
        let house = Self { nats, postgres, redis, store_url, store, bus, context, _scheduler: scheduler };
        house.answers("the scheduler", subject::SCHEDULER_READY).await;
        house
    }

    /// The same database, as another service reaches it.
    pub fn store_of(&self, login: Login) -> Store {
        let url = login.url(&self.postgres.url, SERVICE_PASSWORD).unwrap();
        Store::connect(&aether_store::Options::new(url)).unwrap()
    }

    async fn answers(&self, who: &str, subject: &'static str) {
        testkit::eventually(&format!("{who} answers"), 20, || async {
            let asked = self.bus.request::<_, ReadyReply>(&self.context, subject, &ReadyRequest {}).await;
            asked.is_ok_and(|reply| reply.ready)
        })
        .await;
    }

    pub async fn notifier(&self) -> Notifier {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = NotifierSettings {
            secret: Secret::new("only for this test, and long enough to be one"),
            contact: "mailto:somebody@example.org".to_owned(),
            smtp_url: None,
            smtp_from: "aether@example.org".to_owned(),
        };
        let parts = Parts {
            bus: Bus::connect(aether_bus::Options::new(&self.nats.url, "notifier")).await.unwrap(),
            store: Store::connect(&aether_store::Options::new(&self.store_url)).unwrap(),
            rooms: Rooms::connect(&self.redis.url).unwrap(),
            channels: Channels::new(&settings).unwrap(),
            http: HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap(),
        };
        // A machine that is slow for a moment must not decide for a model that has answered.
        let judgement = Duration::from_secs(5);
        let options = Options { until_there: Duration::from_millis(300), judgement, ..Options::default() };
        let service = Service::new(options, parts);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(service.run(shutdown.clone()));
        self.answers("the notifier", subject::NOTIFIER_READY).await;
        Notifier { shutdown, running }
    }

    /// Returns once it can't be lost.
    pub async fn happens(&self, event: &PluginEvent) {
        self.happens_to(&self.context, event).await.unwrap();
    }

    pub async fn happens_to(&self, context: &Context, event: &PluginEvent) -> Result<(), Error> {
        let subject = subject::notify_events(&context.tenant, "builds");
        let id = format!("{}/{}", context.tenant, event.event_id);
        self.bus.publish_durable(context, DurableStream::Events, &subject, &id, event).await
    }

    /// Of ada's, the newest first.
    pub async fn notifications(&self) -> Vec<NotificationRow> {
        let mut transaction = self.store.tenant(&self.context.tenant).await.unwrap();
        let (agent, person) = (&self.context.agent, &ada());
        let query = NotificationQuery { agent, person, unseen: false, state: "", before: None, limit: 100 };
        transaction.notifications(&query).await.unwrap()
    }

    /// Ada's notification with this title, once it is in this state. A notifier that died with a delivery in its hands is asked
    /// again after a minute.
    pub async fn until(&self, title: &str, state: &str) -> NotificationRow {
        let find = || async { self.notifications().await.into_iter().find(|row| row.title == title) };
        testkit::eventually(&format!("{title:?} is {state}"), 90, || async {
            find().await.is_some_and(|row| row.state == state)
        })
        .await;
        find().await.unwrap()
    }

    pub async fn wish(&self, wish: Wish) -> Result<NotifyControlReply, Error> {
        let wish = NotifyControl { person_id: "ada".to_owned(), wish: Some(wish) };
        let context = self.context.clone().with_deadline(Duration::from_secs(5));
        self.bus.request(&context, subject::NOTIFY_CONTROL, &wish).await
    }

    pub async fn webhook(&self, address: String) -> NotifyControlReply {
        let channel = "webhook".to_owned();
        let target = NotificationTarget { channel, address, ..NotificationTarget::default() };
        self.wish(Wish::AddTarget(target)).await.unwrap()
    }
}

async fn scheduler(nats_url: &str, store_url: &str) -> CancellationToken {
    let options = aether_scheduler::Options {
        look: Duration::from_millis(100),
        lease: Duration::from_secs(2),
        ..aether_scheduler::Options::default()
    };
    let parts = aether_scheduler::Parts {
        bus: Bus::connect(aether_bus::Options::new(nats_url, "scheduler")).await.unwrap(),
        store: Store::connect(&aether_store::Options::new(store_url)).unwrap(),
        http: HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap(),
    };
    let shutdown = CancellationToken::new();
    tokio::spawn(aether_scheduler::Service::new(options, parts).run(shutdown.clone()));
    shutdown
}

impl Notifier {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }

    pub fn kill(self) {
        self.running.abort();
    }
}

pub fn ada() -> PersonId {
    PersonId::new("ada").unwrap()
}

/// For ada; its id is its title.
pub fn event(title: &str, urgency: Urgency) -> PluginEvent {
    PluginEvent {
        event_id: title.to_owned(),
        source: "builds".to_owned(),
        kind: "build.failed".to_owned(),
        person_id: "ada".to_owned(),
        title: title.to_owned(),
        urgency: urgency.into(),
        ..PluginEvent::default()
    }
}
