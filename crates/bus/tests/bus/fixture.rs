use std::future::Future;
use std::time::Duration;

use aether_bus::{Bus, Context, Options, RunningService, ServiceBuilder, ServiceOptions};
use aether_proto::{AgentId, TenantId};
use futures::StreamExt;

pub async fn connect(url: &str, service: &str) -> Bus {
    let bus = Bus::connect(Options::new(url, service)).await.unwrap();
    bus.ready(Duration::from_secs(5)).await.unwrap();
    bus
}

/// The bare client, for peers that break the rules.
pub async fn raw(url: &str) -> async_nats::Client {
    async_nats::connect(url).await.unwrap()
}

/// Returns when the server has seen everything that was sent before: a flush only means that it left this process.
pub async fn settle(raw: &async_nats::Client) {
    let inbox = raw.new_inbox();
    let mut echo = raw.subscribe(inbox.clone()).await.unwrap();
    raw.publish(inbox, "".into()).await.unwrap();
    within(echo.next()).await.unwrap();
}

/// A test that waits for what never comes fails instead of hanging.
pub async fn within<F: Future>(awaited: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), awaited).await.expect("it happens within ten seconds")
}

pub fn context() -> Context {
    Context::new(TenantId::new("acme").unwrap(), AgentId::new("ada").unwrap())
}

pub fn options(name: &str, max_calls: usize) -> ServiceOptions {
    ServiceOptions {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        description: "for a test".to_owned(),
        max_calls,
    }
}

/// Starts a service and waits until the server knows about it.
pub async fn start(bus: &Bus, service: ServiceBuilder) -> RunningService {
    let running = service.start().await.unwrap();
    bus.ready(Duration::from_secs(5)).await.unwrap();
    running
}
