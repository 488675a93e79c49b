//! What every handler works with.

use std::ops::Deref;
use std::sync::Arc;

use aether_bus::{Bus, Context, TurnLog};
use aether_identity::Principal;
use aether_livekit::RoomAdmin;
use aether_store::{Rooms, Store};
use aether_telemetry::Health;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Options;
use crate::chat::{Conversations, Errands};
use crate::hub::Hub;
use crate::key_ring::KeyRing;
use crate::latency::Latency;
use crate::people::Names;
use crate::reconciler::Watch;

/// The state of the router; cheap to clone, all clones share it.
///
/// A handler is `async fn(State(app): State<App>, caller: Caller, …) -> Result<impl IntoResponse, Problem>`: `Caller` is there
/// on every route whose access is not public, and JSON bodies are read with [`fields::Body`](crate::fields::Body).
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub options: Options,
    pub bus: Bus,
    pub store: Store,
    pub rooms: Rooms,
    pub admin: Arc<RoomAdmin>,
    pub turn_log: TurnLog,
    /// What happens in rooms and typed conversations, for whoever listens.
    pub hub: Hub,
    /// Through which the reconciler is told to look at once.
    pub watch: Watch,
    pub keys: KeyRing,
    /// What people are called: [`Names::of`].
    pub names: Names,
    /// Conversations that were begun here and whose rows may not be written yet.
    pub conversations: Conversations,
    /// Turns that wait for a client to run a tool.
    pub errands: Errands,
    pub latency: Latency,
    pub health: Health,
    /// What is done behind a response that has been given. Waited for at the end.
    pub background: TaskTracker,
    /// Fires when the process is asked to stop: sockets end, so that the server can.
    pub shutdown: CancellationToken,
}

impl App {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// What travels on the bus on behalf of this caller.
    pub fn context(&self, caller: &Principal) -> Context {
        Context::new(caller.tenant.clone(), caller.agent.clone())
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
