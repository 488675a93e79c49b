//! The agent as a guest: it greets once, reads what is written, shows what it hears and says, and leaves last.

use std::time::Duration;

use aether_livekit::{ApiKey, RoomAdmin, room_name};
use aether_proto::{RoomName, TenantId};
use aether_testkit::eventually;

use crate::house::{House, PATIENCE, recording};
use crate::words::overlap;

#[tokio::test(flavor = "multi_thread")]
async fn greets_everybody_once_and_leaves_when_everybody_has_gone() {
    let house = House::shared().await;
    let mut maya = house.person("entrance", "maya").await;
    let max = house.person("entrance", "max").await;
    maya.until_greeted(PATIENCE).await.unwrap();
    let greeted_again = maya.until_greeted(Duration::from_secs(3)).await;
    assert!(greeted_again.is_err(), "somebody was greeted twice");
    maya.leave().await;
    max.leave().await;

    let key = ApiKey { key: house.livekit.api_key.clone(), secret: house.livekit.api_secret.clone() };
    let admin = RoomAdmin::new(&house.livekit.url, &key).unwrap();
    let room = room_name(&TenantId::new("default").unwrap(), &RoomName::new("entrance").unwrap());
    eventually("the agent leaves the empty room", 30, || async {
        // A room that is gone has nobody in it.
        admin.list_participants(&room).await.is_ok_and(|present| present.is_empty())
            || admin.list_rooms().await.is_ok_and(|rooms| !rooms.contains(&room))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_answered_and_everything_is_captioned() {
    let house = House::shared().await;
    let mut milan = house.person("gallery", "milan").await;
    let written = milan.write("What is the capital of France?", PATIENCE).await.unwrap();
    assert_eq!(written.end, "completed");
    assert!(!written.audio.is_empty(), "what is written is answered aloud");

    let spoken = milan.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    let mut captions = Vec::new();
    eventually("captions of both sides", 10, || {
        captions.extend(milan.captions());
        let has = |words: &str| captions.iter().any(|(_, text)| overlap(words, text) > 0.9);
        let all = has(&spoken.heard) && has(&spoken.answer) && has(&written.answer);
        async move { all }
    })
    .await;
}
