//! What all loops of the process share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aether_bus::{Bus, Context, DurableStream};
use aether_proto::{AgentId, InstanceId, JobId, KernelEvent, PluginEvent, TenantId, subject};
use aether_store::{Error, JobRow, NewSchedule, Store, Submitted};
use aether_telemetry::{Traced, with_causes};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Span, field, info_span};

use crate::Options;
use crate::clerk::Clerk;
use crate::kind::nightly;

pub(crate) struct Kernel {
    pub options: Options,
    pub bus: Bus,
    pub store: Store,
    pub clerk: Clerk,
    /// Under which jobs are held.
    pub worker: String,
    /// Rung when something may be there to do.
    pub bell: Notify,
    /// Who is known to have what is done every night planned.
    planned: Mutex<HashSet<(TenantId, AgentId)>>,
    /// Jobs that run here, and how each is stopped.
    running: Mutex<HashMap<JobId, CancellationToken>>,
}

impl Kernel {
    pub fn new(options: Options, bus: Bus, store: Store, clerk: Clerk) -> Arc<Self> {
        let worker = format!("scheduler/{}", InstanceId::generate());
        let (bell, planned, running) = (Notify::new(), Mutex::default(), Mutex::default());
        Arc::new(Self { options, bus, store, clerk, worker, bell, planned, running })
    }

    /// Of everything that is said about a job.
    pub fn context(job: &JobRow) -> Context {
        let context = Context::new(job.tenant.clone(), job.agent.clone());
        match job.session {
            Some(session) => context.with_session(session),
            None => context,
        }
    }

    /// Around all that is done about a job: a trace of its own, which names the one in which it was asked for.
    pub fn span(job: &JobRow) -> Span {
        let span = info_span!(
            parent: None,
            "job",
            otel.name = job.kind,
            otel.kind = "consumer",
            otel.status_code = field::Empty,
            tenant = %job.tenant,
            session = job.session.map(field::display),
            turn = job.payload.get("turn_id").and_then(serde_json::Value::as_str),
            job = %job.job,
            attempt = job.attempt,
        );
        if let Some(asked) = job.traceparent.as_deref().and_then(Traced::named) {
            asked.link_from(&span);
        }
        span
    }

    /// By the database's clock: schedulers whose own clocks differ plan the same.
    pub async fn now(&self, context: &Context) -> Result<OffsetDateTime, Error> {
        self.store.tenant(&context.tenant).await?.now().await
    }

    /// Has the job's person told of it, by the notifier, once for this event's id.
    pub async fn have_told(&self, job: &JobRow, event: &PluginEvent) -> Result<(), aether_bus::Error> {
        let subject = subject::notify_events(&job.tenant, &event.source);
        let message_id = format!("{}:{}", event.source, event.event_id);
        self.bus.publish_durable(&Self::context(job), DurableStream::Events, &subject, &message_id, event).await
    }

    pub async fn keep(&self, context: &Context, schedule: &NewSchedule) -> Result<Submitted, Error> {
        let mut transaction = self.store.tenant(&context.tenant).await?;
        let submitted = transaction.insert_schedule(schedule).await?;
        transaction.commit().await?;
        Ok(submitted)
    }

    /// Makes sure, once, that this tenant's agent has what is done every night.
    pub async fn plan_nights(&self, context: &Context) {
        let whose = (context.tenant.clone(), context.agent.clone());
        if self.planned.lock().unwrap_or_else(PoisonError::into_inner).contains(&whose) {
            return;
        }
        let planned = async {
            for schedule in nightly::schedules(context, self.now(context).await?) {
                self.keep(context, &schedule).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = planned.await {
            tracing::warn!(error = with_causes(&error), "what is done at night is not planned yet");
            return;
        }
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(whose);
    }

    /// A job begins here; the token fires when it is to stop.
    pub fn begins(&self, job: JobId) -> CancellationToken {
        let token = CancellationToken::new();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(job, token.clone());
        token
    }

    pub fn ended(&self, job: JobId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }

    pub fn stop(&self, job: JobId) {
        if let Some(token) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&job) {
            token.cancel();
        }
    }

    pub fn running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Rings here and at all other schedulers. One that does not hear it looks by itself soon.
    pub fn wake_all(&self, context: &Context) {
        self.bell.notify_waiters();
        let (bus, context) = (self.bus.clone(), context.clone());
        tokio::spawn(async move { bus.publish(&context, subject::JOBS_WAKE, &KernelEvent::default()).await });
    }
}
