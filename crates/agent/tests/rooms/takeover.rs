//! An agent that is killed in the middle of an answer, and the one that goes on.

use std::time::{Duration, Instant};

use aether_proto::Mute;
use aether_proto::room_control::Action;
use aether_testkit::eventually;

use crate::guest::Visitor;
use crate::hall::{Hall, kitchen, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_hands_its_room_on() {
    let hall = Hall::open().await;
    let mut first = hall.agent().await;
    let ada = Visitor::come(&hall, "ada", "phone", "Ada").await;
    ada.reads("Hello, Ada! How can I help you?").await;
    hall.brain.permits.add_permits(1);
    ada.write("Is it late?").await;
    ada.reads("Yes.").await;
    let before = hall.look().await.unwrap();
    let _second = hall.agent().await;
    let epoch = hall.rooms.holder(&tenant(), &kitchen()).await.unwrap().unwrap().epoch;
    first.stop().await;
    hall.call_after(epoch).await;
    // What was answered is not answered again.
    ada.reads("Sorry, I was away for a moment. I'm back.").await;
    assert_eq!(hall.look().await.unwrap().session_id, before.session_id, "the session goes on");
    assert_eq!(hall.brain.asked().len(), 1);
}

/// Whoever looks after the rooms calls the next agent; how soon it notices is its own business.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_goes_on_where_one_was_killed() {
    let hall = Hall::open().await;
    let mut first = hall.agent().await;
    let ada = Visitor::come(&hall, "ada", "phone", "Ada").await;
    ada.reads("Hello, Ada! How can I help you?").await;
    hall.control(Action::Mute(Mute { muted: true })).await.unwrap();
    let before = hall.look().await.unwrap();
    ada.write("Is it late?").await;
    eventually("brain is asked", 20, || async { hall.brain.asked().len() == 1 }).await;
    eventually("the question is known to be open", 10, || async {
        let state = hall.rooms.state(&tenant(), &kitchen()).await.unwrap().unwrap();
        state.open_turn.is_some_and(|open| open.words == "Is it late?" && open.person == "ada")
    })
    .await;

    let _second = hall.agent().await;
    let epoch = hall.rooms.holder(&tenant(), &kitchen()).await.unwrap().unwrap().epoch;
    first.kill().await;
    let killed = Instant::now();
    hall.call_after(epoch).await;
    hall.brain.permits.add_permits(2);
    ada.reads("Sorry, I was away for a moment.").await;
    let away = killed.elapsed();
    ada.reads("Yes.").await;
    assert!(away < Duration::from_secs(4), "the agent was away for {away:?}");

    let after = hall.look().await.unwrap();
    assert_eq!(after.session_id, before.session_id, "the session goes on");
    assert!(after.muted, "and is as it was");
    assert_ne!(after.holder, before.holder);
    assert!(hall.rooms.holder(&tenant(), &kitchen()).await.unwrap().unwrap().epoch > epoch);
    let asked = hall.brain.asked();
    let asked: Vec<_> = asked.iter().map(|(open, words)| (open.session_id.as_str(), words.as_str())).collect();
    assert_eq!(asked, [(before.session_id.as_str(), "Is it late?"); 2]);
    let said = ada.said();
    assert_eq!(said.len(), 3, "nobody is greeted again: {said:?}");
    eventually("nothing is open any more", 10, || async {
        hall.rooms.state(&tenant(), &kitchen()).await.unwrap().unwrap().open_turn.is_none()
    })
    .await;
}
