//! What comes while something is away, and what should never have come.

use aether_bus::DurableStream;
use aether_proto::{PluginEvent, Urgency, subject};
use serde_json::json;

use crate::house::{House, event};
use crate::played::PlayedAgent;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_postgres_or_the_notifier_is_away_is_told_afterwards_and_once() {
    let mut house = House::build().await;
    let notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    house.happens(&event("Before", Urgency::Normal)).await;
    house.until("Before", "delivered").await;
    house.postgres.kill().await;
    house.happens(&event("In the dark", Urgency::Normal)).await;
    // Its processes outlive the first of them for a moment, and must be gone before it can be started again.
    aether_testkit::eventually("the database is gone", 20, || async { house.store.ready().await.is_err() }).await;
    house.postgres.restart().await;
    house.until("In the dark", "delivered").await;
    notifier.kill();
    house.happens(&event("Nobody there", Urgency::Normal)).await;
    let next = house.notifier().await;
    house.until("Nobody there", "delivered").await;
    let said = ["Before", "In the dark", "Nobody there"].map(|title| format!("A message from builds: {title}."));
    assert_eq!(kitchen.told(), said);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_say_who_is_where_what_is_important_waits() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    house.redis.freeze();
    house.happens(&event("Important", Urgency::High)).await;
    house.until("Important", "delivering").await;
    house.redis.thaw();
    house.until("Important", "delivered").await;
    assert_eq!(kitchen.told().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_is_put_aside_and_the_rest_is_told() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    let subject = subject::notify_events(&house.context.tenant, "builds");
    let rubbish = [
        json!("prose"),
        json!({ "eventId": 7, "title": [] }),
        json!({ "title": "no id" }),
        json!({ "eventId": "big", "source": "s", "kind": "k", "personId": "ada", "title": "x".repeat(600_000) }),
        json!({ "eventId": "soon", "source": "s", "kind": "k", "personId": "ada", "title": "t",
                "occurredUnixMs": "9999999999999" }),
        json!({ "eventId": "nobody", "source": "s", "kind": "k", "title": "t" }),
    ];
    for (number, wrong) in rubbish.iter().enumerate() {
        let id = format!("rubbish {number}");
        let sent = house.bus.publish_durable(&house.context, DurableStream::Events, &subject, &id, wrong).await;
        // One is so large that the bus itself does not take it.
        assert!(sent.is_ok() || number == 3, "{sent:?}");
    }
    let strange =
        PluginEvent { title: "\u{1b}[2J日本\u{0} 🦊\r\nX: y".into(), ..event("strange", Urgency::Normal) };
    house.happens(&strange).await;
    let row = house.until("[2J日本 🦊 X: y", "delivered").await;
    assert_eq!(row.source, "builds");
    assert_eq!(kitchen.told(), ["A message from builds: [2J日本 🦊 X: y."]);
    assert_eq!(house.notifications().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenants_events_are_nobody_elses() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    let other = aether_bus::Context::new("other".parse().unwrap(), house.context.agent.clone());
    house.happens_to(&other, &event("Not yours", Urgency::Urgent)).await.unwrap();
    house.happens(&event("Yours", Urgency::Normal)).await;
    house.until("Yours", "delivered").await;
    assert_eq!(kitchen.told(), ["A message from builds: Yours."]);
    assert_eq!(house.notifications().await.len(), 1);
}
