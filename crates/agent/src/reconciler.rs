//! A periodic look for rooms that have people and no agent: the agent died, or none was there when the room opened.

use std::convert::Infallible;
use std::time::Duration;

use aether_livekit::worker::WorkerState;
use aether_livekit::{AdminError, DispatchRequest, ParticipantKind, RoomAdmin, agent_identity, parse_room_name};
use aether_proto::{RoomName, TenantId};
use aether_store::Rooms;
use tokio::sync::watch;

const LOOK: Duration = Duration::from_secs(2);
/// What the job of an agent that takes over carries as metadata.
pub(crate) const RETURNING: &str = "returning";

pub(crate) struct Reconciler {
    pub admin: RoomAdmin,
    pub rooms: Rooms,
    pub tenant: TenantId,
    pub agent_name: String,
}

impl Reconciler {
    pub(crate) async fn run(&self, state: watch::Receiver<WorkerState>) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            // A call for an agent that no worker can answer is lost.
            if !matches!(*state.borrow(), WorkerState::Registered { .. }) {
                continue;
            }
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the rooms could not be looked through");
            }
        }
    }

    async fn look(&self) -> Result<(), AdminError> {
        for name in self.admin.list_rooms().await? {
            let Ok((tenant, room)) = parse_room_name(&name) else { continue };
            if tenant == self.tenant && self.is_abandoned(&name, &room).await? {
                tracing::warn!(%room, "people are in a room without an agent: calling one");
                let request =
                    DispatchRequest { room: name, agent_name: self.agent_name.clone(), metadata: RETURNING.to_owned() };
                self.admin.create_dispatch(request).await?;
            }
        }
        Ok(())
    }

    /// The lease says whether an agent lives; a participant may be the ghost of one. While Redis is away nobody can say, and
    /// only a room without even a ghost is given an agent.
    async fn is_abandoned(&self, name: &str, room: &RoomName) -> Result<bool, AdminError> {
        let present = self.admin.list_participants(name).await?;
        let people = present.iter().any(|one| matches!(one.kind, ParticipantKind::Standard | ParticipantKind::Sip));
        if !people {
            return Ok(false);
        }
        let agent = agent_identity(room);
        let ghost = present.iter().any(|one| one.identity == agent);
        Ok(match self.rooms.holder(&self.tenant, room).await {
            Ok(holder) => holder.is_none(),
            Err(_) => !ghost,
        })
    }
}
