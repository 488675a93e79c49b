//! The stay in one room: join, greet, listen to everybody, leave when the last person has gone. Where another agent was lost,
//! its session goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::Context;
use aether_livekit::well_known::{CHAT_TOPIC, PERSON_ATTRIBUTE};
use aether_livekit::worker::JobContext;
use aether_livekit::{
    DisconnectReason, ParticipantKind, RemoteParticipant, RemoteTrack, RoomEvent, RoomOptions, TrackSource,
};
use aether_proto::{AgentState, PersonId, RoomName, SessionId, TenantId};
use aether_store::RoomState;
use aether_telemetry::metric;
use aether_turn::floor::Phase;
use aether_voice::media::Participant;
use aether_voice::session::{self, Guest, Handle, Manners, OpenTurn};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::control::{Announced, Control, Host};
use crate::greeting::Greeter;
use crate::lease::Keeper;
use crate::options::Options;
use crate::people::People;
use crate::stage::Stage;

/// What is being said may be finished when the process is told to stop.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What every visit works with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub session: session::Parts,
    /// Cancelled when the LiveKit library has failed: this process can hold no room any more.
    pub library_failed: CancellationToken,
}

pub(crate) struct Visit<'a> {
    pub options: &'a Options,
    pub parts: &'a Parts,
    pub tenant: TenantId,
    pub room: RoomName,
    /// Another agent was here before, and was lost.
    pub is_returning: bool,
    pub keeper: Keeper,
    pub control: Control,
}

impl Visit<'_> {
    pub(crate) async fn run(self, job: JobContext) -> Result<(), aether_livekit::Error> {
        let inherited = self.keeper.inherited().and_then(|state| state.session);
        let session = inherited.unwrap_or_else(SessionId::generate);
        let span = tracing::info_span!("visit", room = %self.room, tenant = %self.tenant, %session);
        let stay = async {
            let stayed = self.stay(job, session).await;
            if let Err(error) = &stayed {
                tracing::error!(%error, "a visit to a room failed");
            }
            stayed
        };
        Box::pin(stay).instrument(span).await
    }

    async fn stay(self, job: JobContext, session: SessionId) -> Result<(), aether_livekit::Error> {
        let began = Instant::now();
        let (room, mut events) = job.connect(RoomOptions::default()).await?;
        let stage = Arc::new(Stage::open(room.local_participant().clone()).await?);
        stage.set_state(AgentState::Initializing).await;

        let stop = CancellationToken::new();
        let _stop_on_drop = stop.clone().drop_guard();
        let (handle, mut running) =
            session::start(self.session_options(session), self.parts.session.clone(), stage.clone(), stop.clone());
        let present: Vec<_> = room.remote_participants().into_values().collect();
        let echo_cancellation = self.options.echo_cancellation;
        let mut people = People::new(handle.clone(), stage, self.greeter(&present), echo_cancellation);
        let leave = CancellationToken::new();
        self.control.is_hosted_by(Host {
            announced: Announced::default(),
            id: session,
            session: handle.clone(),
            present: people.present(),
            leave: leave.clone(),
        });
        for participant in &present {
            people.arrived(participant, self.guest(participant)).await;
        }
        if self.is_returning {
            people.come_back(self.keeper.inherited().and_then(unanswered)).await;
        }
        metrics::histogram!(metric::ROOM_JOIN).record(began.elapsed());
        tracing::info!(returning = self.is_returning, "in the room");

        let publishing = self.keeper.publish(session, &handle, people.present());
        loop {
            // Each arm only receives.
            tokio::select! {
                event = events.recv() => match event {
                    Some(RoomEvent::Disconnected { reason: DisconnectReason::LibraryFailed }) => {
                        self.parts.library_failed.cancel();
                        break;
                    }
                    None | Some(RoomEvent::Disconnected { .. }) => break,
                    Some(event) => self.happened(event, &mut people).await,
                },
                () = people.all_gone() => {
                    tracing::info!("the room is empty");
                    break;
                }
                () = job.terminated.cancelled() => break,
                () = leave.cancelled() => break,
                () = self.keeper.lost() => break,
                // The session ended by itself: the room takes no more sound.
                _ = &mut running => {
                    tracing::error!("the session broke off; the room is left for another try");
                    room.close().await;
                    return Ok(());
                }
                () = job.draining.cancelled() => {
                    finish_speaking(&handle, &job.terminated).await;
                    break;
                }
            }
        }
        stop.cancel();
        // The session closes its turn in the log before the room is left. A panic in it is in the log already.
        let _ = running.await;
        // What is published last is how the session ended.
        let _ = publishing.await;
        // Whoever comes next goes on where this agent stopped.
        if (job.draining.is_cancelled() || job.terminated.is_cancelled()) && people.are_here() {
            self.keeper.hand_on();
        }
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
            manners: self.keeper.inherited().map(manners).unwrap_or_default(),
            trace: self.options.trace.clone(),
        }
    }

    /// Whoever is here when the agent comes back was greeted, even if nobody knows by whom.
    fn greeter(&self, present: &[RemoteParticipant]) -> Greeter {
        let greeted = self.keeper.inherited().into_iter().flat_map(|state| &state.greeted);
        let mut greeter = Greeter::new(greeted.filter_map(|person| PersonId::new(person.as_str()).ok()));
        if self.is_returning && self.keeper.inherited().is_none() {
            let guests = present.iter().filter(|one| one.kind().is_person()).filter_map(|one| self.guest(one));
            guests.for_each(|guest| greeter.knows(guest.person));
        }
        greeter
    }

    async fn happened(&self, event: RoomEvent, people: &mut People) {
        match event {
            RoomEvent::ParticipantConnected(participant) => {
                people.arrived(&participant, self.guest(&participant)).await;
            }
            RoomEvent::ParticipantDisconnected(participant) => people.left(participant.identity()).await,
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), publication, participant }
                if publication.source() == TrackSource::Microphone && participant.kind().is_person() =>
            {
                people.arrived(&participant, self.guest(&participant)).await;
                people.speaks(&participant, &track).await;
            }
            RoomEvent::TrackUnsubscribed { publication, participant } => {
                people.silent(participant.identity(), publication.sid());
            }
            RoomEvent::TextStreamOpened { reader, topic, participant_identity } if topic == CHAT_TOPIC => {
                people.writes(&participant_identity, reader);
            }
            RoomEvent::Reconnecting => tracing::warn!("the connection to the room broke; it is being mended"),
            RoomEvent::Reconnected => tracing::info!("back in the room"),
            _ => {}
        }
    }

    /// `None` for somebody whose identity can't be a person's.
    fn guest(&self, participant: &RemoteParticipant) -> Option<Guest> {
        let identity = participant.identity().as_str().to_owned();
        let claimed = participant.attribute(PERSON_ATTRIBUTE);
        let person = person(claimed.as_deref(), participant.kind(), self.options.identity.user_id.as_ref(), &identity)?;
        // LiveKit's tools name somebody after their identity when they are given no name.
        let name = Some(participant.name()).filter(|name| *name != identity).unwrap_or_default();
        Some(Guest { participant: Participant { identity, name }, person })
    }
}

/// Who a participant is: as their token says, else the one person of this installation, else their identity. A telephone is
/// never taken for that one person: anybody can call.
fn person(claimed: Option<&str>, kind: ParticipantKind, owner: Option<&PersonId>, identity: &str) -> Option<PersonId> {
    match (claimed, owner) {
        (Some(claimed), _) => PersonId::new(claimed).ok(),
        (None, Some(owner)) if kind != ParticipantKind::Sip => Some(owner.clone()),
        (None, _) => PersonId::new(identity).ok(),
    }
}

const fn manners(state: &RoomState) -> Manners {
    Manners { muted: state.muted, off_the_record: state.off_the_record }
}

/// What the agent before was answering when it was lost.
fn unanswered(state: &RoomState) -> Option<OpenTurn> {
    let open = state.open_turn.clone()?;
    let participant = Participant { identity: open.identity, name: open.person_name };
    let person = PersonId::new(open.person).ok()?;
    Some(OpenTurn { turn: open.turn, guest: Guest { participant, person }, words: open.words })
}

/// Waits until the agent has said what it is saying.
async fn finish_speaking(handle: &Handle, terminated: &CancellationToken) {
    tracing::info!("the process is stopping: leaving after this answer");
    let mut phase = handle.phase();
    let listening = phase.wait_for(|phase| *phase == Phase::Listening);
    tokio::select! {
        _ = listening => {}
        () = tokio::time::sleep(LAST_WORDS) => {}
        () = terminated.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_is_not_taken_for_the_owner() {
        const CALLER: &str = "sip_+4930123456";
        let owner = PersonId::new("ada").unwrap();
        for (claimed, kind, owner, expected) in [
            (Some("ben"), ParticipantKind::Standard, Some(&owner), Some("ben")),
            (Some("ben"), ParticipantKind::Sip, Some(&owner), Some("ben")),
            (Some(""), ParticipantKind::Standard, Some(&owner), None),
            (None, ParticipantKind::Standard, Some(&owner), Some("ada")),
            (None, ParticipantKind::Sip, Some(&owner), Some(CALLER)),
            (None, ParticipantKind::Standard, None, Some(CALLER)),
        ] {
            let person = person(claimed, kind, owner, CALLER);
            assert_eq!(person.as_ref().map(PersonId::as_str), expected, "{claimed:?} {kind:?}");
        }
    }
}
