//! A due reminder becomes an event that somebody is to be told of, for the notifier to tell.

use aether_proto::{KernelRequest, Urgency};

use crate::house::{House, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_due_reminder_is_handed_over_under_its_own_id() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let reminder = KernelRequest {
        kind: "reminder".to_owned(),
        person_id: "ada".to_owned(),
        payload: r#"{"about": "call mum"}"#.to_owned(),
        ..KernelRequest::default()
    };
    let job = id(&house.submit(reminder).await.unwrap());
    house.until(job, "COMMITTED").await;
    let event = house.next_event().await;
    assert_eq!((event.event_id.as_str(), event.person_id.as_str()), (job.to_string().as_str(), "ada"));
    assert_eq!((event.title.as_str(), event.urgency()), ("Here is your reminder: call mum.", Urgency::Urgent));
    scheduler.stop().await;
}
