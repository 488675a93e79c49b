//! A room's lease while its visit lasts: renewed, written to, given back.

use aether_store::{LastHeard, LeaseError, RoomLease, RoomState};
use aether_turn::floor::Phase;
use aether_voice::session::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the lease's keeper writes beside it.
pub(crate) type Present = watch::Receiver<Vec<String>>;

/// Keeps the lease and the room's state until cancelled; resolves early only when another agent has taken the room.
pub(crate) async fn keep(lease: Option<&RoomLease>, session: Handle, mut present: Present, ended: &CancellationToken) {
    let Some(lease) = lease else { return ended.cancelled().await };
    let mut beat = tokio::time::interval(lease.ttl() / 3);
    let (mut phase, heard) = (session.phase(), session.heard());
    loop {
        let renew = tokio::select! {
            () = ended.cancelled() => return,
            _ = beat.tick() => true,
            // A session that has ended says no more; the beat goes on until the visit is over.
            Ok(()) = phase.changed() => false,
            Ok(()) = present.changed() => false,
        };
        let renewed = if renew { lease.renew().await.map(drop) } else { Ok(()) };
        let written = match renewed {
            Ok(()) => {
                let state = state(*phase.borrow(), &present.borrow(), &heard);
                lease.write_state(&state).await
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {}
            Err(LeaseError::Unavailable(error)) => tracing::warn!(%error, "the room's lease could not be renewed"),
            Err(LeaseError::Lost(_)) => {
                tracing::warn!("another agent has taken the room");
                return;
            }
        }
    }
}

/// Gives a room back.
pub(crate) async fn release(lease: Option<RoomLease>) {
    if let Some(lease) = lease
        && let Err(error) = lease.release().await
    {
        tracing::info!(%error, "the room's lease was not given back; it expires by itself");
    }
}

fn state(
    phase: Phase,
    participants: &[String],
    heard: &watch::Receiver<Option<aether_voice::session::LastHeard>>,
) -> RoomState {
    let agent_state = match phase {
        Phase::Listening => "LISTENING",
        Phase::Thinking => "THINKING",
        Phase::Speaking => "SPEAKING",
    };
    let last_heard = heard
        .borrow()
        .map(|heard| LastHeard { turn: heard.turn, text_bytes: u32::try_from(heard.text_bytes).unwrap_or(u32::MAX) });
    RoomState { agent_state: agent_state.to_owned(), participants: participants.to_vec(), last_heard }
}
