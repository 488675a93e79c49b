//! Whether the parts are there, asked for ever. Only NATS is needed for everything.

use std::convert::Infallible;
use std::time::Duration;

use aether_livekit::RoomAdmin;
use aether_proto::{AgentId, ReadyReply, ReadyRequest, TenantId, subject};
use aether_store::{Rooms, Store};
use aether_telemetry::{PartHealth, with_causes};

use crate::app::App;

const ANSWER: Duration = Duration::from_secs(4);
/// Between two questions to a part that is well, and to one that is not.
const WHILE_UP: Duration = Duration::from_secs(5);
const WHILE_DOWN: Duration = Duration::from_secs(1);
/// Who asks where nobody does.
const NOBODY: &str = "gateway";

pub(crate) async fn watch_postgres(store: &Store, health: &PartHealth) -> Infallible {
    loop {
        let asked = async { store.ready().await.map_err(|error| with_causes(&error)) };
        look(health, "no key can be looked up and no past session shown", asked).await;
    }
}

pub(crate) async fn watch_redis(rooms: &Rooms, health: &PartHealth) -> Infallible {
    loop {
        let asked = async { rooms.ready().await.map_err(|error| with_causes(&error)) };
        look(health, "nobody knows who holds a room", asked).await;
    }
}

pub(crate) async fn watch_livekit(admin: &RoomAdmin, health: &PartHealth) -> Infallible {
    loop {
        let asked = async { admin.list_rooms().await.map(drop).map_err(|error| with_causes(&error)) };
        look(health, "nobody can talk", asked).await;
    }
}

pub(crate) async fn watch_brain(app: &App, health: &PartHealth) -> Infallible {
    loop {
        look(health, "nobody thinks", brain(app)).await;
    }
}

/// Brain says itself what it waits for.
async fn brain(app: &App) -> Result<(), String> {
    // On nobody's behalf; but whatever is on the bus is on somebody's.
    let tenant = TenantId::new(NOBODY).map_err(|error| error.to_string())?;
    let agent = AgentId::new(NOBODY).map_err(|error| error.to_string())?;
    let context = aether_bus::Context::new(tenant, agent).with_deadline(ANSWER);
    match app.bus.request::<_, ReadyReply>(&context, subject::BRAIN_READY, &ReadyRequest {}).await {
        Ok(reply) if reply.ready => Ok(()),
        Ok(reply) => Err(format!("brain waits for {}", reply.waiting_for.join(", "))),
        Err(error) => Err(error.to_string()),
    }
}

/// Says how the part is, and waits until it is time to look again.
async fn look(health: &PartHealth, without: &str, asked: impl Future<Output = Result<(), String>>) {
    let pause = match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(())) => {
            health.up();
            WHILE_UP
        }
        Ok(Err(error)) => {
            health.down(format_args!("{without}: {error}"));
            WHILE_DOWN
        }
        Err(_) => {
            health.down(format_args!("{without}: no answer within {ANSWER:?}"));
            WHILE_DOWN
        }
    };
    tokio::time::sleep(pause).await;
}
