//! A due reminder becomes an event that somebody is to be told of, for the notifier to tell.

use std::sync::{Arc, Mutex};

use aether_bus::{ConsumeOptions, DurableStream};
use aether_proto::{KernelRequest, PluginEvent, Urgency};

use crate::house::{House, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_due_reminder_is_handed_over_under_its_own_id() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let events: Arc<Mutex<Vec<PluginEvent>>> = Arc::default();
    let heard = Arc::clone(&events);
    let options = ConsumeOptions::new(DurableStream::Events, "somebody");
    let consumer = house.bus.consume(options, move |_, event: PluginEvent| {
        heard.lock().unwrap().push(event);
        std::future::ready(Ok(()))
    });
    let reminder = KernelRequest {
        kind: "reminder".to_owned(),
        person_id: "ada".to_owned(),
        payload: r#"{"about": "call mum"}"#.to_owned(),
        ..KernelRequest::default()
    };
    let job = id(&house.submit(reminder).await.unwrap());
    house.until(job, "COMMITTED").await;
    aether_testkit::eventually("it is there", 10, || async { !events.lock().unwrap().is_empty() }).await;
    let event = events.lock().unwrap()[0].clone();
    assert_eq!((event.event_id.as_str(), event.person_id.as_str()), (job.to_string().as_str(), "ada"));
    assert_eq!((event.title.as_str(), event.urgency()), ("Here is your reminder: call mum.", Urgency::Urgent));
    consumer.stop().await;
    scheduler.stop().await;
}
