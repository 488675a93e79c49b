//! Where somebody is told, and that it is once.

use std::time::Duration;

use aether_identity::{Secret, TOLERANCE, verify};
use aether_proto::{KernelReply, KernelRequest, Notification, Urgency, subject};
use aether_store::{JobQuery, Login};
use aether_testkit::eventually;

use crate::house::{House, event};
use crate::played::{PlayedAgent, PlayedSoftware};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_a_room_is_told_there_and_on_the_page_once() {
    let house = House::build().await;
    let (_one, _other) = (house.notifier().await, house.notifier().await);
    let (kitchen, cellar) =
        (PlayedAgent::with(&house, "kitchen", "ada").await, PlayedAgent::with(&house, "cellar", "ben").await);
    let mut page = house.bus.subscribe::<Notification>(subject::ALL_NOTIFY_PUSHES).await.unwrap();
    let failed = event("The build failed", Urgency::Normal);
    house.happens(&failed).await;
    house.until("The build failed", "delivered").await;
    assert_eq!(kitchen.told(), ["A message from builds: The build failed."]);
    assert!(cellar.told().is_empty());
    let push = page.next().await.unwrap().unwrap();
    assert_eq!(push.subject, "notify.push.acme.ada");
    assert_eq!((push.message.title.as_str(), push.message.urgency()), ("The build failed", Urgency::Normal));

    // The same once more, past what JetStream keeps of ids; and something else, to know when it has been read.
    let subject = subject::notify_events(&house.context.tenant, "builds");
    let stream = aether_bus::DurableStream::Events;
    house.bus.publish_durable(&house.context, stream, &subject, "another id", &failed).await.unwrap();
    house.happens(&event("The build works again", Urgency::Normal)).await;
    house.until("The build works again", "delivered").await;
    assert_eq!(kitchen.told().len(), 2);
    assert_eq!(house.notifications().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_waits_for_who_is_nowhere_and_is_told_when_they_come() {
    let house = House::build().await;
    let notifier = house.notifier().await;
    let request = KernelRequest {
        kind: "reminder".to_owned(),
        person_id: "ada".to_owned(),
        payload: r#"{"about": "call mum"}"#.to_owned(),
        ..KernelRequest::default()
    };
    house.bus.request::<_, KernelReply>(&house.context, subject::JOBS_SUBMIT, &request).await.unwrap();
    house.until("Here is your reminder: call mum.", "delivering").await;
    eventually("it was looked for them", 10, || async { attempts(&house).await >= 2 }).await;
    // Also by the next process.
    notifier.kill();
    let _next = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    house.until("Here is your reminder: call mum.", "delivered").await;
    assert_eq!(kitchen.told(), ["Here is your reminder: call mum."]);
}

/// Of the newest delivery.
async fn attempts(house: &House) -> i32 {
    let mut transaction = house.store_of(Login::Scheduler).tenant(&house.context.tenant).await.unwrap();
    let query = JobQuery {
        agent: &house.context.agent,
        person: None,
        kind: Some("notification_delivery"),
        states: &[],
        session: None,
        before: None,
        limit: 1,
    };
    transaction.jobs(&query).await.unwrap().first().map_or(0, |job| job.attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn software_is_told_with_a_signature_again_where_it_failed_and_nobody_else_twice() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let kitchen = PlayedAgent::with(&house, "kitchen", "ada").await;
    let software = PlayedSoftware::answering(&[503, 200]).await;
    let added = house.webhook(software.url.clone()).await;
    house.happens(&event("The build failed", Urgency::Normal)).await;
    let row = house.until("The build failed", "delivered").await;
    assert_eq!(kitchen.told().len(), 1, "the room was not told again");
    let got = software.got();
    assert_eq!(got.len(), 2);
    let secret: Secret = added.secret.parse().unwrap();
    for (headers, body) in &got {
        let header = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(header("webhook-id"), row.notification.to_string());
        let (timestamp, signature) = (header("webhook-timestamp"), header("webhook-signature"));
        let now = std::time::SystemTime::now();
        verify(&secret, header("webhook-id"), timestamp, signature, body, now, TOLERANCE).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_given_up_and_says_why() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let (gone, there) = (PlayedSoftware::answering(&[410]).await, PlayedSoftware::answering(&[200]).await);
    house.webhook(gone.url.clone()).await;
    house.webhook(there.url.clone()).await;
    house.happens(&event("One", Urgency::Low)).await;
    house.until("One", "digest").await;
    for title in ["Two", "Three"] {
        house.happens(&event(title, Urgency::Normal)).await;
        // Software is no person: nobody was told.
        house.until(title, "undeliverable").await;
    }
    assert_eq!((gone.got().len(), there.got().len()), (1, 2));
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    let targets = transaction.targets(&house.context.agent, &crate::house::ada()).await.unwrap();
    let broken = targets.iter().find(|target| target.address == gone.url).unwrap().broken.clone().unwrap();
    assert!(broken.contains("410") && !broken.contains("/hook"), "{broken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_before_it_can_be_told_is_not_told() {
    let house = House::build().await;
    let _notifier = house.notifier().await;
    let in_a_second = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap() + 1000;
    let brief = aether_proto::PluginEvent { expires_unix_ms: in_a_second, ..event("Tea is ready", Urgency::High) };
    house.happens(&brief).await;
    house.until("Tea is ready", "never").await;
    let late = aether_proto::PluginEvent { expires_unix_ms: 1, ..event("It is 1970", Urgency::Urgent) };
    house.happens(&late).await;
    assert_eq!(house.until("It is 1970", "never").await.reason, "it came too late");
    tokio::time::timeout(Duration::from_secs(30), house.bus.ready(Duration::from_secs(1))).await.unwrap().unwrap();
}
