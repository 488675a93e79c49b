//! A job, and what its taker has to say about it.

use std::collections::HashMap;
use std::future::Future;

use livekit_protocol as proto;
use tokio_util::sync::CancellationToken;

use crate::{Error, ParticipantIdentity, Room, RoomEvent, RoomOptions};

/// A room that wants an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    /// The call that made it; empty for automatic dispatch.
    pub dispatch_id: String,
    /// LiveKit's name of the room; see [`parse_room_name`](crate::parse_room_name).
    pub room: String,
    pub room_sid: String,
    pub room_metadata: String,
    /// What the caller handed over.
    pub metadata: String,
    pub agent_name: String,
    /// Whether another worker had this job before.
    pub resuming: bool,
}

impl Job {
    pub(super) fn new(job: proto::Job, resuming: bool) -> Self {
        let room = job.room.unwrap_or_default();
        Self {
            id: job.id,
            dispatch_id: job.dispatch_id,
            room: room.name,
            room_sid: room.sid,
            room_metadata: room.metadata,
            metadata: job.metadata,
            agent_name: job.agent_name,
            resuming,
        }
    }
}

/// The answer to an offered job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    Accept(Acceptance),
    /// The server asks another worker, if there is one.
    Reject,
}

/// As whom the agent joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Replaces a participant of the same identity.
    pub identity: ParticipantIdentity,
    pub name: String,
    pub metadata: String,
    pub attributes: HashMap<String, String>,
}

impl Acceptance {
    pub fn new(identity: impl Into<ParticipantIdentity>, name: impl Into<String>) -> Self {
        Self { identity: identity.into(), name: name.into(), metadata: String::new(), attributes: HashMap::new() }
    }
}

/// A job that is ours.
#[derive(Debug)]
pub struct JobContext {
    pub job: Job,
    /// As whom we were accepted.
    pub acceptance: Acceptance,
    pub url: String,
    pub token: String,
    /// Cancelled when the worker is to stop: come to an end soon, but finish what is being said.
    pub draining: CancellationToken,
    /// Cancelled when the job is over: leave now.
    pub terminated: CancellationToken,
}

impl JobContext {
    /// Joins the room of the job.
    ///
    /// # Errors
    /// As [`Room::connect`].
    pub async fn connect(&self, options: RoomOptions) -> Result<(Room, tokio::sync::mpsc::Receiver<RoomEvent>), Error> {
        Room::connect(&self.url, &self.token, options).await
    }
}

/// How a job ended, as the server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    Success,
    /// The text is shown by the server's tools.
    Failed(String),
}

/// Whoever takes jobs.
pub trait JobHandler: Send + Sync + 'static {
    /// Answers an offer, in less than seven seconds. Reserve here what the job needs: an accepted job that is never assigned
    /// is reported to [`abandoned`](Self::abandoned).
    fn offered(&self, job: &Job) -> impl Future<Output = Availability> + Send;

    /// Does the job, from joining the room to leaving it.
    fn run(&self, context: JobContext) -> impl Future<Output = JobOutcome> + Send;

    /// A job that was accepted went to nobody. Give back what was reserved.
    fn abandoned(&self, job: &Job) -> impl Future<Output = ()> + Send {
        let _ = job;
        async {}
    }
}
