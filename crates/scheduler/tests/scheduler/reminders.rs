//! A due reminder is told to the person, in the room they are in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aether_proto::{
    Announce, Error, KernelRequest, PersonId, RoomControl, RoomControlReply, RoomName, room_control, subject,
};
use aether_store::{RoomState, Rooms};

use crate::house::{House, id};

fn reminder() -> KernelRequest {
    KernelRequest {
        kind: "reminder".to_owned(),
        person_id: "ada".to_owned(),
        payload: r#"{"about": "call mum"}"#.to_owned(),
        ..KernelRequest::default()
    }
}

/// An agent that plays its part: it takes what it is asked to announce.
struct PlayedAgent {
    told: Arc<Mutex<Vec<Announce>>>,
    _answering: aether_bus::Answering,
    _lease: aether_store::RoomLease,
}

async fn agent_with(house: &House, room: &str, person: &str) -> PlayedAgent {
    let room = RoomName::new(room).unwrap();
    let tenant = &house.context.tenant;
    let rooms = Rooms::connect(&house.redis.url).unwrap();
    let lease = rooms.acquire(tenant, &room, "agent/played", Duration::from_secs(60)).await.unwrap();
    let people = vec![PersonId::new(person).unwrap().to_string()];
    lease.write_state(&RoomState { people, ..RoomState::default() }).await.unwrap();
    let told: Arc<Mutex<Vec<Announce>>> = Arc::default();
    let heard = Arc::clone(&told);
    let answering = house
        .bus
        .answer(&subject::room_control(tenant, &room), move |_, asked: RoomControl| {
            if let Some(room_control::Action::Announce(announce)) = asked.action {
                heard.lock().unwrap().push(announce);
            }
            std::future::ready(Ok::<_, Error>(RoomControlReply::default()))
        })
        .await
        .unwrap();
    PlayedAgent { told, _answering: answering, _lease: lease }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_a_room_is_told_there_and_in_no_other() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let (kitchen, cellar) = (agent_with(&house, "kitchen", "ada").await, agent_with(&house, "cellar", "ben").await);
    let job = id(&house.submit(reminder()).await.unwrap());
    house.until(job, "COMMITTED").await;
    let told = kitchen.told.lock().unwrap().clone();
    assert_eq!(
        told,
        [Announce { id: job.to_string(), person_id: "ada".into(), text: "Here is your reminder: call mum.".into() }]
    );
    assert!(cellar.told.lock().unwrap().is_empty());
    assert_eq!(house.job(job).await.result.unwrap()["told_in"], "kitchen");
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_say_who_is_where_a_reminder_waits() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let kitchen = agent_with(&house, "kitchen", "ada").await;
    house.redis.freeze();
    let job = id(&house.submit(reminder()).await.unwrap());
    aether_testkit::eventually("it was tried", 20, || async { house.states(job).await.len() >= 4 }).await;
    assert_eq!((house.job(job).await.state.as_str(), house.job(job).await.failures), ("SCHEDULED", 0));
    house.redis.thaw();
    house.until(job, "COMMITTED").await;
    assert_eq!(kitchen.told.lock().unwrap().len(), 1);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_nowhere_is_told_when_they_come() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let job = id(&house.submit(reminder()).await.unwrap());
    aether_testkit::eventually("it was looked for them", 10, || async { house.states(job).await.len() >= 4 }).await;
    assert_eq!(house.states(job).await[..4], ["PENDING", "SCHEDULED", "EXECUTING", "SCHEDULED"]);
    assert_eq!(house.job(job).await.failures, 0, "that is no failure");
    let kitchen = agent_with(&house, "kitchen", "ada").await;
    house.until(job, "COMMITTED").await;
    assert_eq!(kitchen.told.lock().unwrap().len(), 1);
    scheduler.stop().await;
}
