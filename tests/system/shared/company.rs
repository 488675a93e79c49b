//! Several people in one room, and several tenants in one house.

use std::time::Duration;

use aether_proto::{AgentState, client_event};
use serde_json::json;

use crate::caller::{Caller, Sidecar};
use crate::house::{House, PATIENCE, TENANT, recording, text};
use crate::words::overlap;

/// The agent has greeted and listens again.
async fn greeted(sidecar: &mut Sidecar) {
    for wanted in [AgentState::Speaking, AgentState::Listening] {
        let fits = |event: &client_event::Event| matches!(event, client_event::Event::AgentState(state) if state.state() == wanted);
        sidecar.until("the greeting", fits).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_in_one_room_are_both_answered_and_told_apart() {
    let house = House::shared().await;
    let (paula_calls, peter_calls) = (house.caller(TENANT, "paula"), house.caller(TENANT, "peter"));
    let mut paula = house.visitor(&paula_calls, "parlour", "Paula").await;
    let mut sidecar = paula_calls.listen().await;
    let mut peter = house.visitor(&peter_calls, "parlour", "Peter").await;
    greeted(&mut sidecar).await;

    let asked = paula.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert!(overlap("seven times eight", &asked.heard) > 0.6, "{}", asked.heard);
    let answered = peter.ask(recording("cmd00.wav"), PATIENCE).await.unwrap();
    assert!(overlap("weather paris today", &answered.heard) > 0.6, "{}", answered.heard);
    assert_eq!((asked.end.as_str(), answered.end.as_str()), ("completed", "completed"));
    let written = paula.write("Who am I?", PATIENCE).await.unwrap();
    assert_eq!(written.end, "completed");

    let room = paula_calls.control("parlour", json!({ "look": {} })).await.json;
    let mut people: Vec<_> = room["people"].as_array().unwrap().iter().map(|person| person.as_str().unwrap()).collect();
    people.sort_unstable();
    assert_eq!(people, ["paula", "peter"]);

    // Both may read what was said; it says who said what, and in which order.
    let session = text(&room, "sessionId");
    for caller in [&paula_calls, &peter_calls] {
        let turns = house.turns(caller, &session, 3).await;
        let said: Vec<_> = turns.iter().map(|turn| (text(turn, "person_name"), text(turn, "modality"))).collect();
        let expected = [("Paula", "voice"), ("Peter", "voice"), ("Paula", "text")];
        assert_eq!(said, expected.map(|(name, modality)| (name.to_owned(), modality.to_owned())));
        assert!(overlap("seven times eight", &text(&turns[0], "words")) > 0.6);
        assert!(overlap("weather paris today", &text(&turns[1], "words")) > 0.6);
    }
    let stranger = house.caller(TENANT, "pablo");
    assert_eq!(stranger.get(&format!("/v1/sessions/{session}")).await.status, 404, "who was not there reads nothing");
    assert_eq!(stranger.control("parlour", json!({ "look": {} })).await.status, 404);

    let names = |event: &aether_proto::ClientEvent| match &event.event {
        Some(client_event::Event::Transcript(transcript)) if transcript.r#final => {
            Some(transcript.speaker_name.clone())
        }
        _ => None,
    };
    sidecar.until_quiet(Duration::from_millis(500)).await;
    let shown: Vec<_> = sidecar.seen.iter().filter_map(names).collect();
    assert_eq!(shown, ["Paula", "Peter", "Paula"], "the transcript says who speaks");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_with_the_same_names_share_nothing() {
    let house = House::shared().await;
    let _their_agent = house.another_agent("globex").await;
    let (ours, theirs) = (house.caller(TENANT, "tina"), house.caller("globex", "tina"));
    // Rooms and people have the same names on purpose.
    let (mut our_tina, mut their_tina) =
        tokio::join!(house.visitor(&ours, "attic", "Tina"), house.visitor(&theirs, "attic", "Tina"));
    let (mut our_sidecar, mut their_sidecar) = tokio::join!(ours.listen(), theirs.listen());
    let (us, them) =
        tokio::join!(our_tina.ask(recording("cmd11.wav"), PATIENCE), their_tina.ask(recording("cmd00.wav"), PATIENCE));
    let (us, them) = (us.unwrap(), them.unwrap());
    assert!(overlap("seven times eight", &us.heard) > 0.6, "{}", us.heard);
    assert!(overlap("weather paris today", &them.heard) > 0.6, "{}", them.heard);

    let room = ours.control("attic", json!({ "look": {} })).await.json;
    let session = text(&room, "sessionId");
    assert_eq!(house.turns(&ours, &session, 1).await.len(), 1);
    let their_admin = house.admin("globex");
    for caller in [&theirs, &their_admin] {
        assert_eq!(caller.get(&format!("/v1/sessions/{session}")).await.status, 404);
        let chat = caller.chat_in("What did I ask?", &[("X-Conversation-Id", &session)]).await;
        assert_eq!(chat.status, 404, "{}", chat.json);
        let sessions = caller.get("/v1/sessions").await.json;
        assert!(!sessions.to_string().contains(&session), "{sessions}");
    }
    let key = house.key(TENANT, "tina").await;
    let prefix = key.split('_').nth(1).unwrap();
    assert_eq!(their_admin.delete(&format!("/v1/keys/{prefix}")).await.status, 404);
    let revoked = house.admin(TENANT).delete(&format!("/v1/keys/{prefix}")).await;
    assert!(revoked.status < 300, "{}", revoked.json);
    assert_eq!(Caller::new(&house.gateway.url, &key).get("/v1/me").await.status, 401, "a revoked key is none");

    for (sidecar, own, other) in [(&mut our_sidecar, &us, &them), (&mut their_sidecar, &them, &us)] {
        sidecar.until_quiet(Duration::from_millis(500)).await;
        let turns: Vec<_> = sidecar.seen.iter().map(|event| event.turn_id.as_str()).collect();
        assert!(turns.contains(&own.turn_id.as_str()), "its own turn is told: {:?}", sidecar.kinds());
        assert!(!turns.contains(&other.turn_id.as_str()), "the other tenant's turn is told");
    }
}
