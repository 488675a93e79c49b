//! A scheduler in its house: real NATS and Postgres, and somebody who asks.

use std::time::Duration;

use aether_bus::{Bus, ConsumeError, ConsumeOptions, Context, DurableStream, Error};
use aether_proto::{
    AgentId, JobAction, JobControl, JobControlReply, JobId, KernelReply, KernelRequest, PluginEvent, ReadyReply,
    ReadyRequest, TenantId, job_control, subject,
};
use aether_scheduler::{Options, Parts, Service};
use aether_store::{JobQuery, JobRow, Login, Store};
use aether_telemetry::{Health, HttpServer};
use aether_testkit as testkit;
use testkit::{Nats, Postgres};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SERVICE_PASSWORD: &str = "only-for-this-test";

pub struct House {
    pub nats: Nats,
    pub postgres: Postgres,
    pub store_url: String,
    pub store: Store,
    /// Somebody else's connection to the same NATS.
    pub bus: Bus,
    pub context: Context,
}

/// A running scheduler. Aborted it dies as a process would, in the middle of whatever it does.
pub struct Scheduler {
    pub health: Health,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), aether_scheduler::Error>>,
}

impl House {
    pub async fn build() -> Self {
        let (nats, postgres) = tokio::join!(testkit::nats(), testkit::postgres());
        Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
        let store_url = Login::Scheduler.url(&postgres.url, SERVICE_PASSWORD).unwrap();
        let store = Store::connect(&aether_store::Options::new(&store_url)).unwrap();
        let bus = Bus::connect(aether_bus::Options::new(&nats.url, "somebody")).await.unwrap();
        bus.ready(Duration::from_secs(10)).await.unwrap();
        let context = Context::new(TenantId::new("acme").unwrap(), AgentId::new("aether").unwrap());
        Self { nats, postgres, store_url, store, bus, context }
    }

    /// The same database, as another service reaches it.
    pub fn store_of(&self, login: Login) -> Store {
        let url = login.url(&self.postgres.url, SERVICE_PASSWORD).unwrap();
        Store::connect(&aether_store::Options::new(url)).unwrap()
    }

    pub fn tenant(&self, name: &str) -> Context {
        Context::new(TenantId::new(name).unwrap(), self.context.agent.clone())
    }

    pub async fn scheduler(&self) -> Scheduler {
        self.scheduler_with(|_| {}).await
    }

    pub async fn scheduler_with(&self, change: impl FnOnce(&mut Options)) -> Scheduler {
        let mut options =
            Options { look: Duration::from_millis(100), lease: Duration::from_secs(2), ..Options::default() };
        change(&mut options);
        let parts = Parts {
            bus: Bus::connect(aether_bus::Options::new(&self.nats.url, "scheduler")).await.unwrap(),
            store: Store::connect(&aether_store::Options::new(&self.store_url)).unwrap(),
            http: HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap(),
        };
        let service = Service::new(options, parts);
        let (health, shutdown) = (service.health(), CancellationToken::new());
        let running = tokio::spawn(service.run(shutdown.clone()));
        testkit::eventually("the scheduler answers", 20, || async {
            let asked =
                self.bus.request::<_, ReadyReply>(&self.context, subject::SCHEDULER_READY, &ReadyRequest {}).await;
            asked.is_ok() && health.is_ready()
        })
        .await;
        Scheduler { health, shutdown, running }
    }

    pub async fn submit(&self, request: KernelRequest) -> Result<KernelReply, Error> {
        self.submit_as(&self.context, request).await
    }

    pub async fn submit_as(&self, context: &Context, request: KernelRequest) -> Result<KernelReply, Error> {
        let context = context.clone().with_deadline(Duration::from_secs(10));
        self.bus.request(&context, subject::JOBS_SUBMIT, &request).await
    }

    pub async fn control(&self, job: JobId, action: JobAction) -> Result<u32, Error> {
        let wish = JobControl {
            what: Some(job_control::What::JobId(job.to_string())),
            action: action.into(),
            person_id: String::new(),
        };
        let reply: JobControlReply = self.bus.request(&self.context, subject::JOBS_CONTROL, &wish).await?;
        Ok(reply.changed)
    }

    pub async fn job(&self, job: JobId) -> JobRow {
        let mut transaction = self.store.tenant(&self.context.tenant).await.unwrap();
        transaction.job(&self.context.agent, None, job).await.unwrap().unwrap()
    }

    /// All of the tenant's.
    pub async fn jobs(&self, tenant: &TenantId) -> Vec<JobRow> {
        let mut transaction = self.store.tenant(tenant).await.unwrap();
        let query = JobQuery {
            agent: &self.context.agent,
            person: None,
            kind: None,
            states: &[],
            session: None,
            before: None,
            limit: 10_000,
        };
        transaction.jobs(&query).await.unwrap()
    }

    /// The states that the job was in, in order.
    pub async fn states(&self, job: JobId) -> Vec<String> {
        let mut transaction = self.store_of(Login::Gateway).tenant(&self.context.tenant).await.unwrap();
        transaction.job_steps(job).await.unwrap().into_iter().map(|step| step.state).collect()
    }

    /// The first thing that somebody is to be told of, for whoever asks first.
    pub async fn next_event(&self) -> PluginEvent {
        let (sender, mut events) = tokio::sync::mpsc::channel(16);
        let options = ConsumeOptions::new(DurableStream::Events, "somebody");
        let consumer = self.bus.consume(options, move |_, event: PluginEvent| {
            let sender = sender.clone();
            async move { sender.send(event).await.map_err(|error| ConsumeError::Retry(error.to_string())) }
        });
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
        consumer.stop().await;
        event
    }

    pub async fn until(&self, job: JobId, state: &str) {
        testkit::eventually(&format!("the job is {state}"), 30, || async { self.job(job).await.state == state }).await;
    }
}

impl Scheduler {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }

    pub fn kill(self) {
        self.running.abort();
    }
}

pub fn nothing() -> KernelRequest {
    KernelRequest { kind: "nothing".to_owned(), ..KernelRequest::default() }
}

pub fn id(reply: &KernelReply) -> JobId {
    reply.job_id.parse().unwrap()
}
