//! The stay in one room: join, greet once, listen to everybody, leave when the last person has gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog};
use aether_livekit::worker::JobContext;
use aether_livekit::{
    NativeAudioStream, ParticipantIdentity, ParticipantKind, RemoteAudioTrack, RemoteParticipant, RemoteTrack,
    RoomEvent, RoomOptions, TextStreamReader, TrackSource,
};
use aether_proto::{PersonId, RoomName, SessionId, TenantId};
use aether_store::{LeaseError, RoomLease};
use aether_voice::lane::Ears;
use aether_voice::media::{Participant, SAMPLE_RATE_HZ};
use aether_voice::session::{self, Guest, Handle};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::service::Options;
use crate::stage::Stage;

/// Where people write to the agent.
const CHAT_TOPIC: &str = "lk.chat";
/// Longest accepted typed message, in bytes.
const LONGEST_CHAT: usize = 16 << 10;
/// Somebody whose connection breaks comes back within seconds; until then the room is not empty.
const EMPTY_GRACE: Duration = Duration::from_secs(5);
/// A room is made for a person who is about to join; their devices may ask them for permission first.
const ARRIVAL_GRACE: Duration = Duration::from_secs(30);
/// What is being said may be finished when the process is told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// What every visit works with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub bus: Bus,
    pub turn_log: TurnLog,
    pub ears: Ears,
}

pub(crate) struct Visit<'a> {
    pub options: &'a Options,
    pub parts: &'a Parts,
    pub tenant: TenantId,
    pub room: RoomName,
    /// `None` while Redis is away.
    pub lease: Option<RoomLease>,
}

impl Visit<'_> {
    pub(crate) async fn run(self, job: JobContext) -> Result<(), aether_livekit::Error> {
        let session = SessionId::generate();
        let span = tracing::info_span!("visit", room = %self.room, tenant = %self.tenant, %session);
        self.stay(job, session).instrument(span).await
    }

    async fn stay(self, job: JobContext, session: SessionId) -> Result<(), aether_livekit::Error> {
        let lost = keep(self.lease.clone());
        let outcome = self.inside(&job, session, &lost).await;
        lost.cancel();
        release(self.lease).await;
        outcome
    }

    async fn inside(
        &self,
        job: &JobContext,
        session: SessionId,
        lost: &CancellationToken,
    ) -> Result<(), aether_livekit::Error> {
        let (room, mut events) = job.connect(RoomOptions::default()).await?;
        let stage = Arc::new(Stage::set(room.local_participant().clone()).await?);
        stage.set_state("initializing").await;

        let stop = CancellationToken::new();
        let _stop_on_drop = stop.clone().drop_guard();
        let (handle, running) =
            session::start(self.session_options(session), self.session_parts(), stage.clone(), stop.clone());
        let mut people = People::new(handle.clone(), stage, self.options.greeting.clone());
        for participant in room.remote_participants().into_values() {
            people.arrived(&participant, self.guest(&participant)).await;
        }
        tracing::info!(people = people.count(), "in the room");

        loop {
            // Each arm only receives.
            tokio::select! {
                event = events.recv() => match event {
                    None | Some(RoomEvent::Disconnected { .. }) => break,
                    Some(event) => self.happened(event, &mut people).await,
                },
                () = people.all_gone() => {
                    tracing::info!("the room is empty");
                    break;
                }
                () = job.terminated.cancelled() => break,
                () = lost.cancelled() => {
                    tracing::warn!("another agent has taken the room");
                    break;
                }
                () = job.draining.cancelled() => {
                    self.finish_speaking(&handle, &job.terminated).await;
                    break;
                }
            }
        }
        stop.cancel();
        // The session closes its turn in the log before the room is left.
        let _ = running.await;
        room.close().await;
        tracing::info!("left the room");
        Ok(())
    }

    fn session_options(&self, session: SessionId) -> session::Options {
        session::Options {
            context: Context::new(self.tenant.clone(), self.options.identity.agent.clone()).with_session(session),
            room: self.room.clone(),
            voice: String::new(),
            lane: self.options.lane.clone(),
            policy: self.options.policy.clone(),
        }
    }

    fn session_parts(&self) -> session::Parts {
        session::Parts {
            bus: self.parts.bus.clone(),
            turn_log: self.parts.turn_log.clone(),
            ears: self.parts.ears.clone(),
        }
    }

    async fn happened(&self, event: RoomEvent, people: &mut People) {
        match event {
            RoomEvent::ParticipantConnected(participant) => {
                people.arrived(&participant, self.guest(&participant)).await;
            }
            RoomEvent::ParticipantDisconnected(participant) => people.left(participant.identity()),
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), publication, participant }
                if publication.source() == TrackSource::Microphone && is_person(&participant) =>
            {
                people.arrived(&participant, self.guest(&participant)).await;
                people.speaks(&participant, &track).await;
            }
            RoomEvent::TrackUnsubscribed { participant, .. } => people.silent(participant.identity()),
            RoomEvent::TextStreamOpened { reader, topic, participant_identity } if topic == CHAT_TOPIC => {
                people.writes(&participant_identity, reader);
            }
            RoomEvent::Reconnecting => tracing::warn!("the connection to the room broke; it is being mended"),
            RoomEvent::Reconnected => tracing::info!("back in the room"),
            _ => {}
        }
    }

    fn guest(&self, participant: &RemoteParticipant) -> Guest {
        let identity = participant.identity().as_str().to_owned();
        let claimed = participant.attribute(aether_livekit::token::PERSON_ATTRIBUTE);
        let person = claimed
            .and_then(|person| PersonId::new(person).ok())
            .or_else(|| self.options.identity.user_id.clone())
            .or_else(|| PersonId::new(identity.clone()).ok())
            .unwrap_or_else(|| self.options.unknown_person.clone());
        Guest { participant: Participant { identity, name: participant.name() }, person }
    }

    /// Waits until the agent has said what it is saying.
    async fn finish_speaking(&self, handle: &Handle, terminated: &CancellationToken) {
        tracing::info!("the process is stopping: leaving after this answer");
        let mut phase = handle.phase();
        let listening = phase.wait_for(|phase| *phase == aether_turn::floor::Phase::Listening);
        tokio::select! {
            _ = listening => {}
            () = tokio::time::sleep(DRAIN_LIMIT) => {}
            () = terminated.cancelled() => {}
        }
    }
}

/// The people in the room, each with a lane while their microphone is on.
struct People {
    handle: Handle,
    stage: Arc<Stage>,
    greeting: Option<String>,
    present: HashMap<ParticipantIdentity, Present>,
    /// When a room without people is given up.
    empty_at: Option<Instant>,
}

struct Present {
    guest: Guest,
    /// Ends the lane.
    microphone: Option<CancellationToken>,
}

impl People {
    fn new(handle: Handle, stage: Arc<Stage>, greeting: Option<String>) -> Self {
        let empty_at = Some(Instant::now() + ARRIVAL_GRACE);
        Self { handle, stage, greeting, present: HashMap::new(), empty_at }
    }

    fn count(&self) -> usize {
        self.present.len()
    }

    async fn arrived(&mut self, participant: &RemoteParticipant, guest: Guest) {
        if !is_person(participant) || self.present.contains_key(participant.identity()) {
            return;
        }
        self.empty_at = None;
        self.present.insert(participant.identity().clone(), Present { guest, microphone: None });
        match self.greeting.take() {
            Some(greeting) => {
                if let Err(error) = self.handle.say(greeting).await {
                    tracing::info!(%error, "no greeting");
                }
            }
            // Greeted before, or there is nothing to say: this person is listened to at once.
            None => self.stage.set_state("listening").await,
        }
    }

    fn left(&mut self, identity: &ParticipantIdentity) {
        self.silent(identity);
        if self.present.remove(identity).is_some() && self.present.is_empty() {
            self.empty_at = Some(Instant::now() + EMPTY_GRACE);
        }
    }

    /// A microphone was opened.
    async fn speaks(&mut self, participant: &RemoteParticipant, track: &RemoteAudioTrack) {
        self.silent(participant.identity());
        let Some(present) = self.present.get_mut(participant.identity()) else { return };
        let stream = match NativeAudioStream::new(track, SAMPLE_RATE_HZ, 1, 10) {
            Ok(stream) => stream,
            Err(error) => return tracing::error!(%error, "a microphone can't be listened to"),
        };
        let Ok(lane) = self.handle.listen(present.guest.clone()).await else { return };
        self.stage.set_microphone(participant.identity(), track.sid().clone());
        let closed = CancellationToken::new();
        present.microphone = Some(closed.clone());
        tokio::spawn(listen(stream, lane, closed));
    }

    fn silent(&mut self, identity: &ParticipantIdentity) {
        if let Some(closed) = self.present.get_mut(identity).and_then(|present| present.microphone.take()) {
            closed.cancel();
        }
    }

    fn writes(&self, identity: &ParticipantIdentity, reader: TextStreamReader) {
        let Some(present) = self.present.get(identity) else { return };
        tokio::spawn(read_chat(reader, self.handle.clone(), present.guest.clone()));
    }

    /// Resolves when nobody has been here for long enough.
    async fn all_gone(&self) {
        match self.empty_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// Carries one microphone into its lane. Dropping the lane tells the session that no more will come.
async fn listen(mut stream: NativeAudioStream, lane: aether_voice::lane::LaneInput, closed: CancellationToken) {
    while let Some(Some(frame)) = closed.run_until_cancelled(stream.next()).await {
        lane.push(frame.data);
    }
}

/// Reads what a person writes, up to a limit.
async fn read_chat(mut reader: TextStreamReader, handle: Handle, guest: Guest) {
    let mut text = String::new();
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => text.push_str(&piece),
            Err(error) => return tracing::warn!(%error, "a typed message broke off"),
        }
        if text.len() > LONGEST_CHAT {
            return tracing::warn!(limit = LONGEST_CHAT, "a typed message is too long and was ignored");
        }
    }
    let text = text.trim();
    if !text.is_empty() {
        // A session that has ended answers nobody.
        let _ = handle.typed(guest, text.to_owned()).await;
    }
}

fn is_person(participant: &RemoteParticipant) -> bool {
    matches!(participant.kind(), ParticipantKind::Standard | ParticipantKind::Sip)
}

/// Renews the lease in the background until the returned token is cancelled, which happens also when the lease is lost.
fn keep(lease: Option<RoomLease>) -> CancellationToken {
    let lost = CancellationToken::new();
    let Some(lease) = lease else { return lost };
    let (mut beat, ended) = (tokio::time::interval(lease.ttl() / 3), lost.clone());
    tokio::spawn(async move {
        while ended.run_until_cancelled(beat.tick()).await.is_some() {
            match lease.renew().await {
                Ok(_) => {}
                Err(LeaseError::Unavailable(error)) => tracing::warn!(%error, "the room's lease could not be renewed"),
                Err(LeaseError::Lost(_)) => ended.cancel(),
            }
        }
    });
    lost
}

/// Gives a room back.
pub(crate) async fn release(lease: Option<RoomLease>) {
    if let Some(lease) = lease
        && let Err(error) = lease.release().await
    {
        tracing::info!(%error, "the room's lease was not given back; it expires by itself");
    }
}
