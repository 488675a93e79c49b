//! Every room with a person has an agent, and no agent that lives is replaced.

use std::time::{Duration, Instant};

use aether_livekit::worker::{Availability, Job, JobContext, JobHandler, JobOutcome, WorkerState};
use aether_livekit::{Worker, WorkerOptions, room_name};
use aether_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::house::{House, StandIn, acme, ask, house, room};

/// Longer than any patience of the reconciler's with a room that it believes to be without an agent.
const LONG_ENOUGH: Duration = Duration::from_secs(5);
/// As long as it believes in nothing after NATS was away.
const BUS_IS_BACK: Duration = Duration::from_secs(3);

/// Looks on for a while: nobody may be called.
async fn nobody_is_called(house: &House, name: &str, why: &str) {
    let until = Instant::now() + LONG_ENOUGH;
    while Instant::now() < until {
        assert_eq!(house.calls(name).await, Vec::<serde_json::Value>::new(), "{why}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns once somebody was called, and says how long that took.
async fn somebody_is_called(house: &House, name: &str) -> (Duration, serde_json::Value) {
    let began = Instant::now();
    eventually("somebody is called", 15, || async { !house.calls(name).await.is_empty() }).await;
    (began.elapsed(), house.calls(name).await.remove(0))
}

/// A person and an agent in the kitchen, for long enough that the agent is known to be there.
async fn kitchen(house: &House) -> (crate::house::Person, StandIn) {
    let person = house.join("kitchen", "ada").await;
    let mut agent = StandIn::take(house, &acme(), &room("kitchen"), &["ada"]).await;
    agent.sit_down(house, &acme(), &room("kitchen")).await;
    tokio::time::sleep(BUS_IS_BACK + Duration::from_millis(500)).await;
    (person, agent)
}

#[tokio::test]
async fn a_person_to_whom_nobody_comes_gets_an_agent_called_and_a_real_one_hears_it() {
    let house = house().await;
    let person = house.join("the kitchen/2 🍳", "ada").await;
    let (after, call) = somebody_is_called(&house, "the kitchen/2 🍳").await;
    assert_eq!(call, json!({ "returning": false }));
    assert!(after >= Duration::from_secs(1), "a room's own call is given its time: {after:?}");

    // It is called again until one is there to hear it.
    let (sender, mut offered) = mpsc::channel(10);
    let worker = Worker::new(WorkerOptions {
        url: house.livekit.url.clone(),
        key: house.key(),
        agent_name: String::new(),
        version: "test".to_owned(),
        max_sessions: 5,
        drain_timeout: Duration::from_secs(1),
    })
    .unwrap();
    let mut state = worker.state();
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(Listener(sender), stop.clone()));
    state.wait_for(|state| matches!(state, WorkerState::Registered { .. })).await.unwrap();
    let job = tokio::time::timeout(Duration::from_secs(20), offered.recv()).await.unwrap().unwrap();
    assert_eq!(job.room, room_name(&acme(), &room("the kitchen/2 🍳")));
    assert_eq!(job.metadata, r#"{"returning":false}"#);
    stop.cancel();
    working.await.unwrap();
    person.leave().await;
}

struct Listener(mpsc::Sender<Job>);

impl JobHandler for Listener {
    async fn offered(&self, job: &Job) -> Availability {
        self.0.send(job.clone()).await.unwrap();
        Availability::Reject
    }

    async fn run(&self, _: JobContext) -> JobOutcome {
        JobOutcome::Success
    }
}

#[tokio::test]
async fn an_agent_that_dies_is_replaced_within_a_second_although_it_still_holds_the_room() {
    let house = house().await;
    let (_ada, mut agent) = kitchen(&house).await;
    assert_eq!(house.calls("kitchen").await.len(), 0);

    agent.die();
    let (after, call) = somebody_is_called(&house, "kitchen").await;
    assert!(after < Duration::from_secs(1), "called after {after:?}");
    assert_eq!(call, json!({ "returning": true, "dead_epoch": agent.epoch }));
    assert!(house.rooms().holder(&acme(), &room("kitchen")).await.unwrap().is_some(), "the lease has not run out");
}

#[tokio::test]
async fn an_agent_on_its_way_is_left_alone() {
    let house = house().await;
    let _ada = house.join("kitchen", "ada").await;
    let mut agent = StandIn::take(&house, &acme(), &room("kitchen"), &["ada"]).await;
    // It holds the room and has not answered yet; its lease is renewed.
    let lease = agent.lease.clone();
    agent.die();
    let renewing = tokio::spawn(async move {
        loop {
            let _ = lease.renew().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    nobody_is_called(&house, "kitchen", "an agent holds the room").await;
    renewing.abort();
}

#[tokio::test]
async fn an_agent_that_lives_outlives_nats_redis_and_livekit_being_away() {
    let mut house = house().await;
    let (_ada, agent) = kitchen(&house).await;

    house.nats.kill().await;
    house.nats.restart().await;
    nobody_is_called(&house, "kitchen", "NATS was restarted").await;
    house.nats.kill().await;
    nobody_is_called(&house, "kitchen", "NATS is away").await;
    house.nats.restart().await;
    agent.bus().ready(Duration::from_secs(5)).await.unwrap();

    house.redis.kill().await;
    nobody_is_called(&house, "kitchen", "Redis is away").await;
    house.redis.restart().await;
    nobody_is_called(&house, "kitchen", "Redis was restarted").await;

    house.livekit.kill().await;
    house.livekit.restart().await;
    let there = room_name(&acme(), &room("kitchen"));
    eventually("people are back", 15, || async {
        house
            .admin()
            .list_participants(&there)
            .await
            .is_ok_and(|there| there.iter().any(|one| one.identity.as_str() == "ada"))
    })
    .await;
    nobody_is_called(&house, "kitchen", "LiveKit was restarted").await;
    assert_eq!(house.rooms().holder(&acme(), &room("kitchen")).await.unwrap().unwrap().epoch, agent.epoch);

    // And after all that it is still noticed when it dies.
    drop(agent);
    let (_, call) = somebody_is_called(&house, "kitchen").await;
    assert_eq!(call["returning"], json!(true));
}

#[tokio::test]
async fn an_agent_that_does_not_answer_lives_as_long_as_its_lease() {
    let house = house().await;
    let (_ada, agent) = kitchen(&house).await;
    agent.hang();
    nobody_is_called(&house, "kitchen", "it renews its lease").await;
}

#[tokio::test]
async fn an_agent_that_was_asked_to_leave_is_not_called_back_while_people_stay() {
    let mut house = house().await;
    let other = house.second_gateway().await;
    let (ada, mut agent) = kitchen(&house).await;
    let token = house.page_token("acme", "ada");
    let (status, _) = house.post("/v1/rooms/kitchen/control", &token, json!({ "leave": {} })).await;
    assert_eq!(status, StatusCode::OK);
    assert!(agent.asked.recv().await.is_some());
    agent.leave().await;
    nobody_is_called(&house, "kitchen", "it was asked to leave, and the other gateway knows that, too").await;

    let (status, _) = ask(&other, Method::POST, "/v1/rooms/kitchen/control", &token, Some(json!({ "look": {} }))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    // The room is empty for a moment; then it is an ordinary one again.
    ada.leave().await;
    let rooms = async || house.admin().room_summaries().await.unwrap();
    eventually("it is forgotten", 10, || async { rooms().await.iter().all(|room| room.metadata.is_empty()) }).await;
    let _ada = house.join("kitchen", "ada").await;
    let (_, call) = somebody_is_called(&house, "kitchen").await;
    assert_eq!(call, json!({ "returning": false }));
}

#[tokio::test]
async fn a_refusal_to_leave_is_forgotten() {
    let house = house().await;
    let _ada = house.join("kitchen", "ada").await;
    let token = house.admin_token("acme");
    let (status, _) = house.post("/v1/rooms/kitchen/control", &token, json!({ "leave": {} })).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "there is nobody to leave");
    somebody_is_called(&house, "kitchen").await;
}

#[tokio::test]
async fn two_gateways_call_for_the_same_death_and_one_agent_takes_the_room() {
    let mut house = house().await;
    house.second_gateway().await;
    let (_ada, mut agent) = kitchen(&house).await;
    agent.die();
    let (_, call) = somebody_is_called(&house, "kitchen").await;
    let dead_epoch = call["dead_epoch"].as_u64().unwrap();
    // Whoever comes for either call may take over only once.
    let rooms = house.rooms();
    let (tenant, kitchen) = (acme(), room("kitchen"));
    let take_over = || rooms.take_over(&tenant, &kitchen, "agent/new", Duration::from_secs(5), dead_epoch);
    let lease = take_over().await.unwrap();
    assert!(take_over().await.is_err());
    assert!(lease.epoch() > dead_epoch);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_webhook_that_livekit_did_not_sign_is_refused() {
    let house = house().await;
    let told = json!({ "event": "room_finished", "room": { "name": "acme/kitchen" } });
    let (status, problem) = house.post("/livekit/webhook", "nothing", told.clone()).await;
    assert_eq!((status, &problem["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("invalid_api_key")));
    // Who may come into a room may not speak for the server.
    let grant = aether_livekit::token::Grant::new("acme/kitchen", "ada");
    let token = aether_livekit::token::person(&house.key(), grant).unwrap();
    assert_eq!(house.post("/livekit/webhook", &token, told).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ten_people_coming_and_going_leave_nothing_behind() {
    let house = house().await;
    for round in 0..3 {
        let mut people = Vec::new();
        for one in 0..10 {
            let token = house.page_token("acme", &format!("person-{one}"));
            let (status, answer) = house.post("/v1/rooms/token", &token, json!({ "room_name": "loop" })).await;
            assert_eq!(status, StatusCode::CREATED, "round {round}: {answer}");
            people.push(house.enter(&answer).await);
        }
        let agent = StandIn::take(&house, &acme(), &room("loop"), &["person-1"]).await;
        for person in people {
            person.leave().await;
        }
        agent.leave().await;
    }
    assert!(house.rooms().rooms(&acme()).await.unwrap().is_empty());
    assert_eq!(house.rooms().state(&acme(), &room("loop")).await.unwrap(), None);
    let loops = room_name(&acme(), &room("loop"));
    eventually("nobody is left", 10, || async {
        house.admin().list_participants(&loops).await.unwrap_or_default().is_empty()
    })
    .await;
    // One that was on its way when the last person left may still arrive.
    let mut calls = house.calls("loop").await.len();
    for _ in 0..2 {
        tokio::time::sleep(LONG_ENOUGH).await;
        let before = std::mem::replace(&mut calls, house.calls("loop").await.len());
        if calls == before {
            return;
        }
    }
    panic!("somebody is called again and again for a room without people: {calls} times by now");
}
