//! A room's lease, kept from the moment the room is taken until it is given back.

use std::sync::Arc;
use std::time::Duration;

use aether_proto::{RoomName, TenantId};
use aether_store::{AcquireError, LastHeard, LeaseError, RoomLease, RoomState, Rooms};
use aether_turn::floor::Phase;
use aether_voice::session::Handle;
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A holder that dies leaves its room free after so long: most of what a person waits for another agent.
const LEASE: Duration = Duration::from_secs(5);
const BEAT: Duration = Duration::from_millis(1_500);

/// Another agent holds the room.
pub(crate) struct Held;

/// Renews the lease in a task of its own, whatever the visit is waiting for. While Redis is away the room is kept without
/// one, and taken again at the first beat after; the identity in the room keeps two agents apart meanwhile.
pub(crate) struct Keeper {
    state: watch::Sender<RoomState>,
    lost: CancellationToken,
    /// Gives the room back.
    _stop: DropGuard,
}

struct Claim {
    rooms: Rooms,
    tenant: TenantId,
    room: RoomName,
    holder: Arc<str>,
    lease: Option<RoomLease>,
}

impl Keeper {
    /// Takes the room.
    pub(crate) async fn take(rooms: Rooms, tenant: TenantId, room: RoomName, holder: Arc<str>) -> Result<Self, Held> {
        let mut claim = Claim { rooms, tenant, room, holder, lease: None };
        claim.acquire().await?;
        let (state, states) = watch::channel(RoomState::default());
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(claim.keep(states, lost.clone(), stop.clone()));
        Ok(Self { state, lost, _stop: stop.drop_guard() })
    }

    /// Resolves when another agent has taken the room.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Publishes what happens in the room, from now on.
    pub(crate) fn publish(&self, session: &Handle, present: watch::Receiver<Vec<String>>) {
        tokio::spawn(publish(self.state.clone(), session.clone(), present));
    }
}

impl Claim {
    async fn acquire(&mut self) -> Result<(), Held> {
        match self.rooms.acquire(&self.tenant, &self.room, &self.holder, LEASE).await {
            Ok(lease) => self.lease = Some(lease),
            Err(AcquireError::Held(by)) => {
                tracing::info!(room = %self.room, holder = %by.holder, "the room has an agent already");
                return Err(Held);
            }
            Err(AcquireError::Unavailable(error)) => {
                tracing::warn!(room = %self.room, %error, "holding the room without a lease");
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
                tracing::warn!(room = %self.room, "another agent has taken the room");
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
        if let Some(lease) = self.lease
            && let Err(error) = lease.release().await
        {
            tracing::info!(%error, "the room's lease was not given back; it expires by itself");
        }
    }

    async fn renew(&mut self) -> Result<(), Held> {
        let Some(lease) = &self.lease else { return self.acquire().await };
        match lease.renew().await {
            Ok(_) => Ok(()),
            Err(LeaseError::Unavailable(error)) => {
                tracing::warn!(room = %self.room, %error, "the room's lease could not be renewed");
                Ok(())
            }
            Err(LeaseError::Lost(_)) => Err(Held),
        }
    }
}

/// Follows the session until it has ended.
async fn publish(state: watch::Sender<RoomState>, session: Handle, mut present: watch::Receiver<Vec<String>>) {
    let (mut phase, mut heard) = (session.phase(), session.heard());
    // Only the handles that speak to the session keep it alive, and this task is none of them.
    drop(session);
    loop {
        let agent_state = match *phase.borrow_and_update() {
            Phase::Listening => "LISTENING",
            Phase::Thinking => "THINKING",
            Phase::Speaking => "SPEAKING",
        };
        let last_heard = heard.borrow_and_update().map(|heard| LastHeard {
            turn: heard.turn,
            text_bytes: u32::try_from(heard.text_bytes).unwrap_or(u32::MAX),
        });
        let participants = present.borrow_and_update().clone();
        state.send_replace(RoomState { agent_state: agent_state.to_owned(), participants, last_heard });
        let changed = tokio::select! {
            changed = phase.changed() => changed,
            changed = heard.changed() => changed,
            changed = present.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
