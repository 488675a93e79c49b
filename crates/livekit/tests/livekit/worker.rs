//! An agent worker on a real server.

use std::time::Duration;

use aether_livekit::token::{AgentCall, Grant};
use aether_livekit::worker::{Acceptance, Availability, Job, JobContext, JobHandler, JobOutcome, WorkerState};
use aether_livekit::{
    DispatchRequest, ParticipantKind, RemoteParticipant, RoomEvent, RoomOptions, Worker, WorkerOptions,
};
use aether_testkit::LiveKit;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Events, admin, event, join, join_with, key, livekit};

/// Joins every room it is called to and stays until told to go.
struct Visitor {
    jobs: mpsc::Sender<Job>,
    finish: CancellationToken,
}

impl JobHandler for Visitor {
    async fn offered(&self, job: &Job) -> Availability {
        if job.room == "unwelcome" {
            return Availability::Reject;
        }
        let mut acceptance = Acceptance::new(format!("agent-{}", job.room), "Aether");
        acceptance.attributes.insert("lk.agent.state".into(), "initializing".into());
        Availability::Accept(acceptance)
    }

    async fn run(&self, context: JobContext) -> JobOutcome {
        let (room, mut events) = match context.connect(RoomOptions::default()).await {
            Ok(joined) => joined,
            Err(error) => return JobOutcome::Failed(error.to_string()),
        };
        assert_eq!(room.local_participant().kind(), ParticipantKind::Agent);
        self.jobs.send(context.job.clone()).await.unwrap();
        let left = async { while events.recv().await.is_some() {} };
        tokio::select! {
            () = context.terminated.cancelled() => {}
            () = self.finish.cancelled() => {}
            () = left => {}
        }
        room.close().await;
        JobOutcome::Success
    }
}

struct Running {
    jobs: mpsc::Receiver<Job>,
    state: watch::Receiver<WorkerState>,
    finish: CancellationToken,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn options(livekit: &LiveKit) -> WorkerOptions {
    WorkerOptions {
        url: livekit.url.clone(),
        key: key(livekit),
        agent_name: String::new(),
        version: "test".into(),
        max_sessions: 10,
        drain_timeout: Duration::from_secs(10),
    }
}

async fn start(options: WorkerOptions) -> Running {
    let (sender, jobs) = mpsc::channel(10);
    let (finish, shutdown) = (CancellationToken::new(), CancellationToken::new());
    let worker = Worker::new(options).unwrap();
    let mut state = worker.state();
    let visitor = Visitor { jobs: sender, finish: finish.clone() };
    let task = tokio::spawn(worker.run(visitor, shutdown.clone()));
    registered(&mut state).await;
    Running { jobs, state, finish, shutdown, task }
}

async fn registered(state: &mut watch::Receiver<WorkerState>) {
    let registered = state.wait_for(|state| matches!(state, WorkerState::Registered { .. }));
    tokio::time::timeout(Duration::from_secs(15), registered).await.expect("registered in time").unwrap();
}

async fn next_job(running: &mut Running) -> Job {
    tokio::time::timeout(Duration::from_secs(15), running.jobs.recv()).await.expect("a job in time").unwrap()
}

/// Whoever comes next, or is there already.
async fn agent(room: &aether_livekit::Room, events: &mut Events) -> RemoteParticipant {
    if let Some(there) = room.remote_participants().into_values().find(|other| other.kind() == ParticipantKind::Agent) {
        return there;
    }
    event(events, "the agent", |event| match event {
        RoomEvent::ParticipantConnected(other) if other.kind() == ParticipantKind::Agent => Some(other),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_room_that_opens_gets_an_agent() {
    let livekit = livekit().await;
    let mut running = start(options(&livekit)).await;
    let (room, mut events) = join(&livekit, "acme/kitchen", "ada").await;
    let came = agent(&room, &mut events).await;
    assert_eq!(*came.identity(), "agent-acme/kitchen");
    assert_eq!((came.name().as_str(), came.attribute("lk.agent.state").as_deref()), ("Aether", Some("initializing")));
    assert_eq!(next_job(&mut running).await.room, "acme/kitchen");

    running.finish.cancel();
    event(&mut events, "the agent's leaving", |event| {
        matches!(event, RoomEvent::ParticipantDisconnected(_)).then_some(())
    })
    .await;
    room.close().await;
    running.shutdown.cancel();
    running.task.await.unwrap();
    assert_eq!(*running.state.borrow(), WorkerState::Stopped);
}

#[tokio::test]
async fn an_agent_with_a_name_comes_only_when_called() {
    let livekit = livekit().await;
    let mut running = start(WorkerOptions { agent_name: "aether".into(), ..options(&livekit) }).await;

    // Called by the token of whoever opens the room.
    let mut grant = Grant::new("by-token", "ada");
    grant.agents.push(AgentCall { agent_name: "aether".into(), metadata: "from the token".into() });
    let (room, mut events) = join_with(&livekit, grant).await;
    agent(&room, &mut events).await;
    let job = next_job(&mut running).await;
    assert_eq!(
        (job.room.as_str(), job.metadata.as_str(), job.agent_name.as_str()),
        ("by-token", "from the token", "aether")
    );
    room.close().await;

    // Called from outside, into a room that nobody called it to before.
    let (room, mut events) = join(&livekit, "by-call", "ada").await;
    assert!(room.remote_participants().is_empty());
    let call = DispatchRequest { room: "by-call".into(), agent_name: "aether".into(), metadata: "from outside".into() };
    admin(&livekit).create_dispatch(call).await.unwrap();
    agent(&room, &mut events).await;
    assert_eq!(next_job(&mut running).await.metadata, "from outside");
    room.close().await;
    running.finish.cancel();
    running.shutdown.cancel();
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_full_takes_no_more() {
    let livekit = livekit().await;
    let mut running = start(WorkerOptions { max_sessions: 1, ..options(&livekit) }).await;
    let (first, mut events) = join(&livekit, "first", "ada").await;
    agent(&first, &mut events).await;
    assert_eq!(next_job(&mut running).await.room, "first");

    // A second worker gets what the first has no slot for.
    let mut second = start(WorkerOptions { max_sessions: 1, ..options(&livekit) }).await;
    let (other, mut events) = join(&livekit, "second", "bob").await;
    agent(&other, &mut events).await;
    assert_eq!(next_job(&mut second).await.room, "second");
    assert!(running.jobs.try_recv().is_err());
    for running in [running, second] {
        running.finish.cancel();
        running.shutdown.cancel();
        running.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_is_rejected_goes_to_nobody() {
    let livekit = livekit().await;
    let mut running = start(WorkerOptions { max_sessions: 1, ..options(&livekit) }).await;
    let (unwelcome, _events) = join(&livekit, "unwelcome", "ada").await;
    // The one slot is free for the next room, so nothing was kept for the rejected one.
    let (welcome, mut events) = join(&livekit, "welcome", "ada").await;
    agent(&welcome, &mut events).await;
    assert_eq!(next_job(&mut running).await.room, "welcome");
    assert!(unwelcome.remote_participants().is_empty());
    running.finish.cancel();
    running.shutdown.cancel();
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_worker_registers_again_after_the_server_died() {
    let mut livekit = livekit().await;
    let mut running = start(options(&livekit)).await;
    livekit.kill().await;
    let lost = running.state.wait_for(|state| matches!(state, WorkerState::Connecting { .. }));
    tokio::time::timeout(Duration::from_secs(15), lost).await.expect("noticed in time").unwrap();
    livekit.restart().await;
    registered(&mut running.state).await;

    let (room, mut events) = join(&livekit, "after", "ada").await;
    agent(&room, &mut events).await;
    assert_eq!(next_job(&mut running).await.room, "after");
    room.close().await;
    running.finish.cancel();
    running.shutdown.cancel();
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_draining_worker_lets_its_jobs_end_and_takes_no_new_one() {
    let livekit = livekit().await;
    let mut running = start(options(&livekit)).await;
    let (room, mut events) = join(&livekit, "last", "ada").await;
    agent(&room, &mut events).await;
    next_job(&mut running).await;

    running.shutdown.cancel();
    let draining = running.state.wait_for(|state| *state == WorkerState::Draining);
    tokio::time::timeout(Duration::from_secs(5), draining).await.unwrap().unwrap();
    let (late, _late_events) = join(&livekit, "late", "bob").await;
    assert!(!running.task.is_finished());
    assert_eq!(room.remote_participants().len(), 1);

    running.finish.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.task).await.expect("stops when the last job ends").unwrap();
    assert!(late.remote_participants().is_empty());
    assert!(running.jobs.try_recv().is_err());
}

#[tokio::test]
async fn jobs_that_outlast_the_drain_are_told_to_leave() {
    let livekit = livekit().await;
    let options = WorkerOptions { drain_timeout: Duration::from_millis(200), ..options(&livekit) };
    let mut running = start(options).await;
    let (room, mut events) = join(&livekit, "long", "ada").await;
    agent(&room, &mut events).await;
    next_job(&mut running).await;
    running.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.task).await.expect("stops after the drain").unwrap();
    event(&mut events, "the agent's leaving", |event| {
        matches!(event, RoomEvent::ParticipantDisconnected(_)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_said_and_tried_again() {
    let livekit = livekit().await;
    let mut wrong = options(&livekit);
    wrong.key.secret = "another secret of more than thirty-two characters".into();
    let worker = Worker::new(wrong).unwrap();
    let mut state = worker.state();
    let (jobs, _) = mpsc::channel(1);
    let shutdown = CancellationToken::new();
    let visitor = Visitor { jobs, finish: CancellationToken::new() };
    let task = tokio::spawn(worker.run(visitor, shutdown.clone()));
    let refused = state
        .wait_for(|state| matches!(state, WorkerState::Connecting { reason } if reason.contains("LIVEKIT_API_SECRET")));
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("said in time").unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("stops while unregistered").unwrap();
}
