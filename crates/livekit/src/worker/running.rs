//! What a worker does while it runs: one task that owns the socket and the slots, and one task per job.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use livekit_protocol::server_message::Message as FromServer;
use livekit_protocol::worker_message::Message as ToServer;
use livekit_protocol::{self as proto, JobStatus, WorkerStatus};
use rand::RngExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::job::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome};
use super::slots::Slots;
use super::socket::{Socket, SocketError};
use super::worker::{Worker, WorkerState};

const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);
const STATUS_INTERVAL: Duration = Duration::from_millis(2_500);
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A server that has answered none of that many pings is gone.
const MISSED_PINGS: u32 = 3;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);
/// The server waits ten seconds for an answer to an offer.
const OFFER_TIMEOUT: Duration = Duration::from_millis(7_500);
/// How long a job that was told to leave may take to do so.
const TERMINATION_GRACE: Duration = Duration::from_secs(5);
const ANSWER_QUEUE: usize = 64;

/// What a task tells the worker.
enum Answer {
    Offer { job: Box<Job>, availability: Availability },
    Finished { job_id: String, outcome: JobOutcome },
}

pub(super) struct Running<H> {
    worker: Worker,
    handler: Arc<H>,
    slots: Slots<(Job, Acceptance)>,
    jobs: HashMap<String, CancellationToken>,
    tasks: JoinSet<()>,
    answers: mpsc::Sender<Answer>,
    inbox: mpsc::Receiver<Answer>,
    shutdown: CancellationToken,
}

impl<H: JobHandler> Running<H> {
    pub(super) fn new(worker: Worker, handler: H, shutdown: CancellationToken) -> Self {
        let (answers, inbox) = mpsc::channel(ANSWER_QUEUE);
        Self {
            slots: Slots::new(worker.options.max_sessions),
            handler: Arc::new(handler),
            jobs: HashMap::new(),
            tasks: JoinSet::new(),
            answers,
            inbox,
            shutdown,
            worker,
        }
    }

    pub(super) async fn serve(mut self) {
        let shutdown = self.shutdown.clone();
        let mut retry = FIRST_RETRY;
        while !shutdown.is_cancelled() {
            let lost = match self.connect(&shutdown).await {
                Ok(Some((mut socket, worker_id))) => {
                    tracing::info!(worker_id, agent_name = self.worker.options.agent_name, "registered as a worker");
                    self.worker.state.send_replace(WorkerState::Registered { worker_id });
                    retry = FIRST_RETRY;
                    let served = self.serve_socket(&mut socket, &shutdown).await;
                    match served {
                        Ok(()) => {
                            self.drain(Some(&mut socket)).await;
                            socket.close().await;
                            self.worker.state.send_replace(WorkerState::Stopped);
                            return;
                        }
                        Err(error) => error,
                    }
                }
                Ok(None) => break,
                Err(error) => error,
            };
            self.abandon_reservations().await;
            self.report(&lost);
            // Jitter, so that a server that comes back is not met by all workers in the same moment.
            let wait = retry.mul_f64(rand::rng().random_range(0.5..1.0));
            self.wait_apart(wait, &shutdown).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
        self.drain(None).await;
        self.worker.state.send_replace(WorkerState::Stopped);
    }

    /// Logs a loss once, and keeps the reason readable.
    fn report(&self, lost: &SocketError) {
        let reason = lost.to_string();
        let news = self.worker.state.send_replace(WorkerState::Connecting { reason: reason.clone() })
            != WorkerState::Connecting { reason };
        if news {
            tracing::warn!(error = %lost, "not registered with LiveKit; trying again until it works");
        }
    }

    async fn connect(&self, shutdown: &CancellationToken) -> Result<Option<(Socket, String)>, SocketError> {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(None),
            registered = tokio::time::timeout(REGISTER_TIMEOUT, self.register()) => {
                registered.map_err(|_| SocketError::Timeout)?.map(Some)
            }
        }
    }

    async fn register(&self) -> Result<(Socket, String), SocketError> {
        let options = &self.worker.options;
        let mut socket = Socket::connect(&self.worker.endpoint, &options.key).await?;
        let permissions = proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        };
        socket
            .send(ToServer::Register(proto::RegisterWorkerRequest {
                r#type: proto::JobType::JtRoom.into(),
                agent_name: options.agent_name.clone(),
                version: options.version.clone(),
                ping_interval: u32::try_from(PING_INTERVAL.as_secs()).unwrap_or(5),
                allowed_permissions: Some(permissions),
                ..Default::default()
            }))
            .await?;
        let worker_id = loop {
            if let FromServer::Register(registered) = socket.receive().await? {
                break registered.worker_id;
            }
        };
        socket.send(self.status()).await?;
        if !self.jobs.is_empty() {
            let job_ids = self.jobs.keys().cloned().collect();
            socket.send(ToServer::MigrateJob(proto::MigrateJobRequest { job_ids })).await?;
        }
        Ok((socket, worker_id))
    }

    /// Until shutdown (Ok) or until the socket is lost.
    async fn serve_socket(&mut self, socket: &mut Socket, shutdown: &CancellationToken) -> Result<(), SocketError> {
        let mut status = tokio::time::interval(STATUS_INTERVAL);
        let mut ping = tokio::time::interval(PING_INTERVAL);
        let mut unanswered_pings = 0;
        loop {
            // Every arm is cancel-safe: channels, timers, and a socket that keeps half a message for the next call.
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                message = socket.receive() => {
                    unanswered_pings = 0;
                    self.on_message(message?, socket).await?;
                }
                Some(answer) = self.inbox.recv() => self.on_answer(answer, Some(&mut *socket)).await?,
                _ = status.tick() => {
                    self.abandon_expired().await;
                    socket.send(self.status()).await?;
                }
                _ = ping.tick() => {
                    if unanswered_pings >= MISSED_PINGS {
                        return Err(SocketError::Timeout);
                    }
                    unanswered_pings += 1;
                    socket.send(ToServer::Ping(proto::WorkerPing { timestamp: now_ms() })).await?;
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    async fn on_message(&mut self, message: FromServer, socket: &mut Socket) -> Result<(), SocketError> {
        match message {
            FromServer::Availability(request) => {
                let Some(job) = request.job else { return Ok(()) };
                let job = Job::new(job, request.resuming);
                if !self.slots.has_room() {
                    return socket.send(reject(&job.id)).await;
                }
                let (handler, answers) = (Arc::clone(&self.handler), self.answers.clone());
                self.tasks.spawn(async move {
                    let decided = tokio::time::timeout(OFFER_TIMEOUT, handler.offered(&job)).await;
                    let availability = decided.unwrap_or(Availability::Reject);
                    // The worker has stopped when nobody hears this.
                    let _ = answers.send(Answer::Offer { job: Box::new(job), availability }).await;
                });
            }
            FromServer::Assignment(assignment) => {
                let job_id = assignment.job.as_ref().map(|job| job.id.clone()).unwrap_or_default();
                let Some((job, acceptance)) = self.slots.start(&job_id) else {
                    tracing::warn!(job_id, "a job was assigned that was not accepted, or too late");
                    return Ok(());
                };
                let url = assignment.url.filter(|url| !url.is_empty());
                let url = url.unwrap_or_else(|| self.worker.options.url.clone());
                self.start(JobContext {
                    job,
                    acceptance,
                    url,
                    token: assignment.token,
                    draining: self.shutdown.clone(),
                    terminated: CancellationToken::new(),
                });
                socket.send(update(&job_id, JobStatus::JsRunning, "")).await?;
                socket.send(self.status()).await?;
            }
            FromServer::Termination(termination) => {
                if let Some(terminated) = self.jobs.get(&termination.job_id) {
                    terminated.cancel();
                }
            }
            FromServer::Register(_) | FromServer::Pong(_) | FromServer::GoAway(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, context: JobContext) {
        let job_id = context.job.id.clone();
        self.jobs.insert(job_id.clone(), context.terminated.clone());
        let (handler, answers) = (Arc::clone(&self.handler), self.answers.clone());
        self.tasks.spawn(async move {
            // A task of its own, so that a job that panics is a failed job and not a lost slot.
            let mut job = JoinSet::new();
            job.spawn(async move { handler.run(context).await });
            let outcome = match job.join_next().await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) | None => JobOutcome::Failed("the job ended abnormally".to_owned()),
            };
            let _ = answers.send(Answer::Finished { job_id, outcome }).await;
        });
    }

    async fn on_answer(&mut self, answer: Answer, socket: Option<&mut Socket>) -> Result<(), SocketError> {
        match answer {
            Answer::Offer { job, availability: Availability::Accept(acceptance) } => {
                let job_id = job.id.clone();
                let Some(socket) = socket else {
                    self.handler.abandoned(&job).await;
                    return Ok(());
                };
                if !self.slots.reserve(&job_id, (Job::clone(&job), acceptance.clone()), Instant::now()) {
                    self.handler.abandoned(&job).await;
                    return socket.send(reject(&job_id)).await;
                }
                socket
                    .send(ToServer::Availability(proto::AvailabilityResponse {
                        job_id,
                        available: true,
                        participant_identity: acceptance.identity.into(),
                        participant_name: acceptance.name,
                        participant_metadata: acceptance.metadata,
                        participant_attributes: acceptance.attributes,
                        ..Default::default()
                    }))
                    .await?;
                socket.send(self.status()).await
            }
            Answer::Offer { job, availability: Availability::Reject } => match socket {
                Some(socket) => socket.send(reject(&job.id)).await,
                None => Ok(()),
            },
            Answer::Finished { job_id, outcome } => {
                self.jobs.remove(&job_id);
                self.slots.finish();
                let Some(socket) = socket else { return Ok(()) };
                match outcome {
                    JobOutcome::Success => socket.send(update(&job_id, JobStatus::JsSuccess, "")).await?,
                    JobOutcome::Failed(reason) => socket.send(update(&job_id, JobStatus::JsFailed, &reason)).await?,
                }
                socket.send(self.status()).await
            }
        }
    }

    /// Without a socket, jobs still end and are counted.
    async fn wait_apart(&mut self, wait: Duration, shutdown: &CancellationToken) {
        let until = tokio::time::sleep(wait);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return,
                () = shutdown.cancelled() => return,
                Some(answer) = self.inbox.recv() => {
                    // Fails only where there is a socket.
                    let _ = self.on_answer(answer, None).await;
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Lets jobs come to their end, then tells them to leave.
    async fn drain(&mut self, mut socket: Option<&mut Socket>) {
        self.slots.drain();
        self.worker.state.send_replace(WorkerState::Draining);
        self.abandon_reservations().await;
        if let Some(connected) = &mut socket
            && connected.send(self.status()).await.is_err()
        {
            socket = None;
        }
        let timeout = tokio::time::sleep(self.worker.options.drain_timeout);
        tokio::pin!(timeout);
        let mut told_to_leave = false;
        while !self.jobs.is_empty() {
            tokio::select! {
                () = &mut timeout => {
                    if told_to_leave {
                        tracing::warn!(jobs = self.jobs.len(), "jobs did not leave in time and are cut off");
                        break;
                    }
                    told_to_leave = true;
                    for terminated in self.jobs.values() {
                        terminated.cancel();
                    }
                    timeout.as_mut().reset(tokio::time::Instant::now() + TERMINATION_GRACE);
                }
                Some(answer) = self.inbox.recv() => {
                    if self.on_answer(answer, socket.as_deref_mut()).await.is_err() {
                        socket = None;
                    }
                }
            }
        }
        self.tasks.shutdown().await;
    }

    fn status(&self) -> ToServer {
        let status = if self.slots.has_room() { WorkerStatus::WsAvailable } else { WorkerStatus::WsFull };
        ToServer::UpdateWorker(proto::UpdateWorkerStatus {
            status: Some(status.into()),
            load: self.slots.load(),
            job_count: self.slots.running(),
            ..Default::default()
        })
    }

    async fn abandon_expired(&mut self) {
        for (job, _) in self.slots.expire(Instant::now()) {
            tracing::warn!(job_id = job.id, "an accepted job was never assigned");
            self.handler.abandoned(&job).await;
        }
    }

    async fn abandon_reservations(&mut self) {
        for (job, _) in self.slots.cancel_all() {
            self.handler.abandoned(&job).await;
        }
    }
}

fn reject(job_id: &str) -> ToServer {
    ToServer::Availability(proto::AvailabilityResponse {
        job_id: job_id.to_owned(),
        available: false,
        ..Default::default()
    })
}

fn update(job_id: &str, status: JobStatus, error: &str) -> ToServer {
    ToServer::UpdateJob(proto::UpdateJobStatus {
        job_id: job_id.to_owned(),
        status: status.into(),
        error: error.to_owned(),
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
