use std::num::NonZeroUsize;
use std::time::Duration;

use aether_bus::{Error, Subscription};
use aether_testkit as testkit;

use crate::fixture::{connect, context, raw, settle};

#[tokio::test]
async fn an_event_reaches_everybody_who_listens() {
    let nats = testkit::nats().await;
    let (teller, listener) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let mut one: Subscription<String> = listener.subscribe("room.acme.*.events").await.unwrap();
    let mut two: Subscription<String> = listener.subscribe("room.acme.kitchen.events").await.unwrap();
    listener.ready(Duration::from_secs(1)).await.unwrap();
    let context = context();
    teller.publish(&context, "room.acme.kitchen.events", &"hello").await.unwrap();
    for subscription in [&mut one, &mut two] {
        let event = subscription.next().await.unwrap().unwrap();
        assert_eq!(event.message, "hello");
        assert_eq!(event.subject, "room.acme.kitchen.events");
        assert_eq!(event.context.request, context.request);
    }
}

#[tokio::test]
async fn a_full_subscription_says_how_many_it_lost_and_goes_on() {
    let nats = testkit::nats().await;
    let (teller, listener) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let room = NonZeroUsize::new(10).unwrap();
    let mut events: Subscription<u32> = listener.subscribe_with_room("numbers", room).await.unwrap();
    listener.ready(Duration::from_secs(1)).await.unwrap();

    for number in 0..25 {
        teller.publish(&context(), "numbers", &number).await.unwrap();
    }
    teller.ready(Duration::from_secs(1)).await.unwrap();
    listener.ready(Duration::from_secs(1)).await.unwrap();

    let (mut received, mut lost) = (Vec::new(), 0);
    while received.len() + lost < 25 {
        match events.next().await.unwrap() {
            Ok(event) => received.push(event.message),
            Err(Error::Overflow { lost: now, .. }) => lost += usize::try_from(now).unwrap(),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(received[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(lost > 0);

    teller.publish(&context(), "numbers", &99).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().message, 99);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_an_error_item() {
    let nats = testkit::nats().await;
    let (teller, listener) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let mut events: Subscription<u32> = listener.subscribe("numbers").await.unwrap();
    listener.ready(Duration::from_secs(1)).await.unwrap();
    let raw = raw(&nats.url).await;
    raw.publish("numbers", "1".into()).await.unwrap();
    settle(&raw).await;
    assert!(matches!(events.next().await.unwrap(), Err(Error::Header(_))));
    teller.publish(&context(), "numbers", &"not a number").await.unwrap();
    assert!(matches!(events.next().await.unwrap(), Err(Error::Decode { .. })));
    teller.publish(&context(), "numbers", &1).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().message, 1);
}
