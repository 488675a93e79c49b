//! A room's lease, kept from the moment the room is taken until it is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aether_proto::{RoomName, SessionId, TenantId};
use aether_store::{AcquireError, LastHeard, LeaseError, OpenTurn, RoomLease, RoomState, Rooms};
use aether_voice::session::{self, Handle, agent_state};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::people::Presence;
use crate::summons::Summons;

/// A holder that dies without being noticed leaves its room free after so long.
const LEASE: Duration = Duration::from_secs(5);
const BEAT: Duration = Duration::from_millis(1_500);

/// Another agent holds the room.
pub(crate) struct Held;

/// Renews the lease in a task of its own, whatever the visit is waiting for. While Redis is away the room is kept without
/// one, and taken again at the first beat after; the identity in the room keeps two agents apart meanwhile.
pub(crate) struct Keeper {
    state: watch::Sender<RoomState>,
    /// What the agent before left here.
    inherited: Option<RoomState>,
    lost: CancellationToken,
    /// The room is left to another agent, rather than given back.
    is_handed_on: Arc<AtomicBool>,
    /// Ends the keeping.
    _stop: DropGuard,
}

struct Claim {
    rooms: Rooms,
    tenant: TenantId,
    room: RoomName,
    holder: Arc<str>,
    lease: Option<RoomLease>,
    is_handed_on: Arc<AtomicBool>,
}

impl Keeper {
    /// Takes the room, from a dead holder too if the summons names one.
    pub(crate) async fn take(
        rooms: Rooms,
        tenant: TenantId,
        room: RoomName,
        holder: Arc<str>,
        summons: Summons,
    ) -> Result<Self, Held> {
        let is_handed_on = Arc::new(AtomicBool::new(false));
        let mut claim = Claim { rooms, tenant, room, holder, lease: None, is_handed_on: Arc::clone(&is_handed_on) };
        // Before the first state of our own takes its place.
        let inherited = if summons.goes_on() { claim.inherit().await } else { None };
        claim.acquire(summons.dead_epoch).await?;
        // Whoever has to take over from us before we know more finds what we found.
        let (state, states) = watch::channel(inherited.clone().unwrap_or_default());
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(claim.keep(states, lost.clone(), stop.clone()));
        Ok(Self { state, inherited, lost, is_handed_on, _stop: stop.drop_guard() })
    }

    /// What the agent before left here, if there was one and its conversation is to go on.
    pub(crate) const fn inherited(&self) -> Option<&RoomState> {
        self.inherited.as_ref()
    }

    /// Resolves when another agent has taken the room.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// People stay, and this agent goes: the next one finds how things were, and takes the room from us as from the dead.
    pub(crate) fn hand_on(&self) {
        self.is_handed_on.store(true, Ordering::Release);
    }

    /// Publishes what happens in the room, from now on until the session has ended.
    pub(crate) fn publish(
        &self,
        id: SessionId,
        session: &Handle,
        present: watch::Receiver<Presence>,
    ) -> JoinHandle<()> {
        let unanswered = self.inherited.as_ref().and_then(|state| state.open_turn.clone());
        tokio::spawn(publish(self.state.clone(), id, session.clone(), present, unanswered))
    }
}

impl Claim {
    async fn inherit(&self) -> Option<RoomState> {
        self.rooms.state(&self.tenant, &self.room).await.unwrap_or_else(|error| {
            tracing::warn!(tenant = %self.tenant, room = %self.room, %error, "what the agent before left can't be read: a new session begins");
            None
        })
    }

    async fn acquire(&mut self, dead_epoch: Option<u64>) -> Result<(), Held> {
        let (rooms, tenant, room) = (&self.rooms, &self.tenant, &self.room);
        let acquired = match dead_epoch {
            Some(epoch) => rooms.take_over(tenant, room, &self.holder, LEASE, epoch).await,
            None => rooms.acquire(tenant, room, &self.holder, LEASE).await,
        };
        match acquired {
            Ok(lease) => self.lease = Some(lease),
            Err(AcquireError::Held(by)) => {
                tracing::info!(tenant = %self.tenant, room = %self.room, holder = %by.holder, "the room has an agent already");
                return Err(Held);
            }
            Err(AcquireError::Unavailable(error)) => {
                tracing::warn!(tenant = %self.tenant, room = %self.room, %error, "holding the room without a lease");
            }
        }
        Ok(())
    }

    async fn keep(mut self, mut states: watch::Receiver<RoomState>, lost: CancellationToken, stop: CancellationToken) {
        let mut beat = interval(BEAT);
        loop {
            // The last state is written even if its sender has gone.
            let changed = tokio::select! {
                () = stop.cancelled() => break,
                _ = beat.tick() => false,
                Ok(()) = states.changed() => true,
            };
            let held = if changed { Ok(()) } else { self.renew().await };
            if held.is_err() {
                tracing::warn!(tenant = %self.tenant, room = %self.room, "another agent has taken the room");
                return lost.cancel();
            }
            let state = states.borrow_and_update().clone();
            if let Some(lease) = &self.lease
                && let Err(error) = lease.write_state(&state).await
            {
                // Whether the lease is really lost, the next beat finds out.
                tracing::debug!(%error, "the room's state was not written");
            }
        }
        let Some(lease) = self.lease else { return };
        let state = states.borrow().clone();
        let ended = match self.is_handed_on.load(Ordering::Acquire) {
            true => lease.write_state(&state).await,
            false => lease.release().await,
        };
        if let Err(error) = ended {
            tracing::info!(tenant = %self.tenant, room = %self.room, %error, "the room's lease was not given back; it expires by itself");
        }
    }

    async fn renew(&mut self) -> Result<(), Held> {
        let Some(lease) = &self.lease else { return self.acquire(None).await };
        match lease.renew().await {
            Ok(_) => Ok(()),
            Err(LeaseError::Unavailable(error)) => {
                tracing::warn!(tenant = %self.tenant, room = %self.room, %error, "the room's lease could not be renewed");
                Ok(())
            }
            Err(LeaseError::Lost(_)) => Err(Held),
        }
    }
}

/// Follows the session until it has ended. `unanswered` stays until another turn has taken its place.
async fn publish(
    state: watch::Sender<RoomState>,
    id: SessionId,
    session: Handle,
    mut present: watch::Receiver<Presence>,
    mut unanswered: Option<OpenTurn>,
) {
    let (mut phase, mut heard) = (session.phase(), session.heard());
    let (mut manners, mut open_turn) = (session.manners(), session.open_turn());
    // Only the handles that speak to the session keep it alive, and this task is none of them.
    drop(session);
    loop {
        let agent_state = agent_state(*phase.borrow_and_update()).as_str_name().to_owned();
        let last_heard = heard.borrow_and_update().map(|heard| LastHeard {
            turn: heard.turn,
            text_bytes: u32::try_from(heard.text_bytes).unwrap_or(u32::MAX),
        });
        let present_now = present.borrow_and_update().clone();
        let manners_now = *manners.borrow_and_update();
        let open_now = open_turn.borrow_and_update().as_ref().map(recorded);
        if open_now.is_some() || manners_now.off_the_record {
            unanswered = None;
        }
        state.send_replace(RoomState {
            agent_state,
            participants: present_now.identities(),
            last_heard,
            session: Some(id),
            people: present_now.people(),
            greeted: present_now.greeted,
            muted: manners_now.muted,
            off_the_record: manners_now.off_the_record,
            open_turn: open_now.or_else(|| unanswered.clone()),
        });
        let changed = tokio::select! {
            changed = phase.changed() => changed,
            changed = heard.changed() => changed,
            changed = present.changed() => changed,
            changed = manners.changed() => changed,
            changed = open_turn.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn recorded(open: &session::OpenTurn) -> OpenTurn {
    OpenTurn {
        turn: open.turn,
        person: open.guest.person.to_string(),
        person_name: open.guest.participant.name.clone(),
        identity: open.guest.participant.identity.clone(),
        words: open.words.clone(),
    }
}
