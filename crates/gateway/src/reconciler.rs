//! Sees to it that every room with a person in it has an agent.
//!
//! Two looks, for all rooms of all tenants. Once a second, and at once when LiveKit tells that somebody came or went: which
//! rooms have people in them. Every 300 ms: whether the agent of each of these answers (`reconciler/vigil.rs` says what its
//! silence means). An agent is called with a dispatch, whose metadata says whether it comes back to people who had one.
//!
//! It never ends anything: an agent that is called for a room that has one is refused the lease, so two gateways that call at
//! once do no harm, and a wrong call costs nothing. It never calls anybody back to a room whose agent was asked to leave, as
//! long as somebody is in it; that is written in the room's metadata, where every gateway sees it.

mod vigil;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::{Context, Error};
use aether_livekit::{
    AdminError, DispatchRequest, ParticipantSummary, RoomAdmin, RoomSummary, agent_identity, parse_room_name,
};
use aether_proto::{AgentId, Look, RoomControl, RoomControlReply, RoomName, TenantId, room_control, subject};
use aether_telemetry::with_causes;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{Instrument as _, info_span};

use crate::app::App;
use vigil::{Call, Lease, Sign, Vigil};

/// Between two questions to an agent whether it lives.
const PROBE: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(1);
/// Between two looks into all rooms when LiveKit tells nothing.
const LOOK: Duration = Duration::from_secs(1);
/// Webhooks come in flocks: one look serves for all that come within this.
const FLOCK: Duration = Duration::from_millis(100);
/// After NATS was away, others find it again up to a second later than this process, and what they answer is known later
/// still. Until then silence means nothing.
const EVERYBODY_IS_BACK: Duration = Duration::from_secs(3);
/// Rooms that are looked into at once.
const AT_ONCE: usize = 64;
/// In the metadata of a room whose agent was asked to leave.
const LEFT: &str = r#"{"aether":"asked to leave"}"#;

/// Through which the reconciler is told to look at once. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    look: Arc<Notify>,
}

impl Watch {
    /// Somebody may have come or gone.
    pub fn look(&self) {
        self.look.notify_one();
    }
}

/// Notes that nobody is to be called to this room while the people who are in it stay. Say it before the agent leaves.
pub(crate) async fn remember_left(admin: &RoomAdmin, room: &str) -> Result<(), AdminError> {
    admin.set_room_metadata(room, LEFT).await
}

/// The agent did not leave, or may come again.
pub(crate) async fn forget_left(admin: &RoomAdmin, room: &str) -> Result<(), AdminError> {
    admin.set_room_metadata(room, "").await
}

/// Looks after the rooms of all tenants.
pub(crate) struct Reconciler {
    pub app: App,
}

/// A room with people in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inhabited {
    /// LiveKit's name of it.
    name: String,
    tenant: TenantId,
    room: RoomName,
    /// Identities of the people.
    people: HashSet<String>,
    /// LiveKit shows an agent in it, dead or alive.
    agent: bool,
}

impl Reconciler {
    pub async fn run(self) -> Infallible {
        let (sender, rooms) = watch::channel(Vec::new());
        tokio::select! {
            never = self.look_for_people(sender) => never,
            never = self.watch_over_agents(rooms) => never,
        }
    }

    async fn look_for_people(&self, rooms: watch::Sender<Vec<Inhabited>>) -> Infallible {
        let mut is_away = false;
        loop {
            match self.inhabited().await {
                Ok(found) => {
                    is_away = false;
                    rooms.send_replace(found);
                }
                // What was so a moment ago is not so for ever.
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(error = with_causes(&error), "the rooms can't be looked through");
                    }
                    rooms.send_replace(Vec::new());
                }
            }
            let told = self.app.watch.look.notified();
            if timeout(LOOK, told).await.is_ok() {
                tokio::time::sleep(FLOCK).await;
            }
        }
    }

    async fn inhabited(&self) -> Result<Vec<Inhabited>, AdminError> {
        let rooms = self.app.admin.room_summaries().await?;
        let looks = stream::iter(rooms).map(|room| self.look_into(room).boxed()).buffer_unordered(AT_ONCE);
        Ok(looks.filter_map(std::future::ready).collect().await)
    }

    async fn look_into(&self, room: RoomSummary) -> Option<Inhabited> {
        let RoomSummary { name, metadata } = room;
        let (tenant, room) = parse_room_name(&name).ok()?;
        let present = match self.app.admin.list_participants(&name).await {
            Ok(present) => present,
            Err(error) => {
                // It may just have been closed.
                tracing::debug!(room = name, error = with_causes(&error), "a room could not be looked into");
                return None;
            }
        };
        let people: HashSet<String> =
            present.iter().filter(|one| is_person_here(one)).map(|one| one.identity.as_str().to_owned()).collect();
        if metadata == LEFT {
            // Somebody who is still coming in counts: they stayed.
            if !present.iter().any(|one| one.kind.is_person())
                && let Err(error) = forget_left(&self.app.admin, &name).await
            {
                tracing::debug!(
                    room = name,
                    error = with_causes(&error),
                    "an empty room could not be made an ordinary one"
                );
            }
            return None;
        }
        let identity = agent_identity(&room);
        let agent = present.iter().any(|one| one.identity == identity);
        (!people.is_empty()).then_some(Inhabited { name, tenant, room, people, agent })
    }

    async fn watch_over_agents(&self, mut rooms: watch::Receiver<Vec<Inhabited>>) -> Infallible {
        let mut vigils: HashMap<String, (HashSet<String>, Vigil)> = HashMap::new();
        let mut bus = BusWatch::new(self.app.bus.connected());
        let mut beat = interval(PROBE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let everybody_is_back = bus.everybody_is_back();
            let rooms = rooms.borrow_and_update().clone();
            let watched = rooms.into_iter().map(|room| {
                // Where nobody is left of those who were there, the room begins anew.
                let known = vigils.remove(&room.name).filter(|(people, _)| !people.is_disjoint(&room.people));
                self.watch_over(room, known.map(|(_, vigil)| vigil).unwrap_or_default(), everybody_is_back).boxed()
            });
            vigils = stream::iter(watched.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
        }
    }

    async fn watch_over(
        &self,
        room: Inhabited,
        mut vigil: Vigil,
        everybody_is_back: bool,
    ) -> (String, (HashSet<String>, Vigil)) {
        let sign = self.probe(&room).await;
        let sign = if matches!(sign, Sign::Answered { .. }) || everybody_is_back { sign } else { Sign::Unknown };
        let lease = if vigil.asks_for_lease(&sign) { self.lease(&room).await } else { Lease::Unknown };
        if let Some(call) = vigil.next(sign, lease, room.agent, Instant::now())
            && self.has_people_still(&room).await
        {
            let span = info_span!(parent: None, "call an agent", tenant = %room.tenant, room = %room.room);
            self.call(&room, call).instrument(span).await;
        }
        (room.name, (room.people, vigil))
    }

    async fn probe(&self, room: &Inhabited) -> Sign {
        // On nobody's behalf.
        let Ok(agent) = AgentId::new(self.app.bus.service_name()) else { return Sign::Unknown };
        let context = Context::new(room.tenant.clone(), agent).with_deadline(ANSWER);
        let look = RoomControl { action: Some(room_control::Action::Look(Look {})) };
        let subject = subject::room_control(&room.tenant, &room.room);
        match self.app.bus.request::<_, RoomControlReply>(&context, &subject, &look).await {
            Ok(reply) => Sign::Answered { visit: format!("{} {}", reply.holder, reply.session_id) },
            Err(Error::NoWorker { .. }) => Sign::Nobody,
            Err(Error::TimedOut { .. }) => Sign::Late,
            // NATS is away; or an agent answered, but with an error: nothing follows from either.
            Err(_) => Sign::Unknown,
        }
    }

    async fn lease(&self, room: &Inhabited) -> Lease {
        match self.app.rooms.holder(&room.tenant, &room.room).await {
            Ok(Some(holder)) => Lease::Held { epoch: holder.epoch },
            Ok(None) => Lease::Free,
            Err(_) => Lease::Unknown,
        }
    }

    /// The last look is up to a second old: an agent that leaves behind its last person is not to be called back.
    async fn has_people_still(&self, room: &Inhabited) -> bool {
        match self.app.admin.list_participants(&room.name).await {
            Ok(present) => present.iter().any(is_person_here),
            Err(error) => !error.is_not_found(),
        }
    }

    async fn call(&self, room: &Inhabited, call: Call) {
        tracing::warn!(?call, "people are in a room without an agent: calling one");
        let metadata = match call.dead_epoch {
            Some(epoch) => serde_json::json!({ "returning": call.returning, "dead_epoch": epoch }),
            None => serde_json::json!({ "returning": call.returning }),
        };
        let request = DispatchRequest {
            room: room.name.clone(),
            agent_name: self.app.options.agent_name.clone(),
            metadata: metadata.to_string(),
        };
        if room.agent || call.dead_epoch.is_some() {
            self.remove_ghost(room).await;
        }
        if let Err(error) = self.app.admin.create_dispatch(request).await {
            tracing::warn!(error = with_causes(&error), "no agent could be called");
        }
    }

    /// LiveKit knows jobs by their agent's identity. A dead agent that is put out by the next one, who comes under the same,
    /// would take the new job with it.
    async fn remove_ghost(&self, room: &Inhabited) {
        match self.app.admin.remove_participant(&room.name, &agent_identity(&room.room)).await {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                tracing::info!(error = with_causes(&error), "a dead agent could not be put out");
            }
        }
    }
}

/// Who is still coming in is not here yet.
fn is_person_here(one: &ParticipantSummary) -> bool {
    one.active && one.kind.is_person()
}

/// For how long the bus has been there without a break.
struct BusWatch {
    connected: watch::Receiver<bool>,
    since: Option<Instant>,
}

impl BusWatch {
    fn new(connected: watch::Receiver<bool>) -> Self {
        let since = connected.borrow().then(Instant::now);
        Self { connected, since }
    }

    fn everybody_is_back(&mut self) -> bool {
        // A break that is over already is a break.
        let broke = self.connected.has_changed().unwrap_or(true);
        let is_there = *self.connected.borrow_and_update();
        if broke || !is_there {
            self.since = is_there.then(Instant::now);
        }
        self.since.is_some_and(|since| since.elapsed() >= EVERYBODY_IS_BACK)
    }
}
