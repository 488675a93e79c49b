//! A periodic look for rooms that have people and no agent: the agent died, or none was there when the room opened.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use aether_livekit::worker::WorkerState;
use aether_livekit::{AdminError, DispatchRequest, RoomAdmin, agent_identity, parse_room_name};
use aether_proto::{RoomName, TenantId};
use aether_store::Rooms;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::people;

/// Longer than a beat of a lease: an agent that lives has taken its room again between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// A call for an agent is given so long to be answered before it is made again.
const CALL_AGAIN: Duration = Duration::from_secs(10);
/// What the job of an agent that takes over carries as metadata.
pub(crate) const RETURNING: &str = "returning";

/// Looks after the rooms of one tenant. Only for agents that are sent everywhere: one with a name goes where it is called.
pub(crate) struct Reconciler {
    pub admin: RoomAdmin,
    pub rooms: Rooms,
    pub tenant: TenantId,
}

/// A room that has people and no agent.
#[derive(Debug, Clone, Copy)]
struct Abandoned {
    /// The agent that was there is dead and has not been removed yet.
    ghost: bool,
}

impl Reconciler {
    pub(crate) async fn run(&self, state: watch::Receiver<WorkerState>) -> Infallible {
        let mut suspected: HashMap<String, Option<Instant>> = HashMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            // A call for an agent that no worker can answer is lost.
            if !matches!(*state.borrow(), WorkerState::Registered { .. }) {
                continue;
            }
            match self.look().await {
                Ok(abandoned) => {
                    suspected.retain(|name, _| abandoned.contains_key(name));
                    for (name, found) in abandoned {
                        self.consider(name, found, &mut suspected).await;
                    }
                }
                Err(error) => tracing::info!(%error, "the rooms could not be looked through"),
            }
        }
    }

    /// Calls an agent for a room that was found abandoned twice in a row.
    async fn consider(&self, name: String, found: Abandoned, suspected: &mut HashMap<String, Option<Instant>>) {
        let Some(called) = suspected.get_mut(&name) else {
            suspected.insert(name, None);
            return;
        };
        if called.is_some_and(|at| at.elapsed() < CALL_AGAIN) {
            return;
        }
        *called = Some(Instant::now());
        tracing::warn!(room = %name, "people are in a room without an agent: calling one");
        let metadata = if found.ghost { RETURNING.to_owned() } else { String::new() };
        let request = DispatchRequest { room: name, agent_name: String::new(), metadata };
        if let Err(error) = self.admin.create_dispatch(request).await {
            tracing::warn!(%error, "no agent could be called");
        }
    }

    async fn look(&self) -> Result<HashMap<String, Abandoned>, AdminError> {
        let mut abandoned = HashMap::new();
        for name in self.admin.list_rooms().await? {
            let Ok((tenant, room)) = parse_room_name(&name) else { continue };
            if tenant != self.tenant {
                continue;
            }
            match self.is_abandoned(&name, &room).await {
                Ok(Some(found)) => drop(abandoned.insert(name, found)),
                Ok(None) => {}
                // It may just have been closed.
                Err(error) => tracing::debug!(%error, room = %name, "a room could not be looked into"),
            }
        }
        Ok(abandoned)
    }

    /// The lease says whether an agent lives; a participant may be the ghost of one. While Redis is away nobody can say, and
    /// only a room without even a ghost is given an agent.
    async fn is_abandoned(&self, name: &str, room: &RoomName) -> Result<Option<Abandoned>, AdminError> {
        let present = self.admin.list_participants(name).await?;
        if !present.iter().any(|one| one.active && people::is_person(one.kind)) {
            return Ok(None);
        }
        let agent = agent_identity(room);
        let ghost = present.iter().any(|one| one.identity == agent);
        let held = match self.rooms.holder(&self.tenant, room).await {
            Ok(holder) => holder.is_some(),
            Err(_) => ghost,
        };
        Ok((!held).then_some(Abandoned { ghost }))
    }
}
