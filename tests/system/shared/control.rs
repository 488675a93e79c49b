//! What a program may ask of the agent in a room, and what it is told of it on its socket. The room has a difficult name.

use std::time::Duration;

use aether_proto::client_event::Event;
use serde_json::json;

use crate::house::{House, PATIENCE, TENANT, recording, text, transcribe};
use crate::words::overlap;

const ROOM: &str = "Küche 1.0/oben * 🙂";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_the_agent_say_stop_mute_write_and_leave() {
    let house = House::shared().await;
    let calls = house.caller(TENANT, "conny");
    let mut sidecar = calls.listen().await;
    // They are not in the room, or of another tenant.
    let (colin, acme) = (house.caller(TENANT, "colin"), house.admin("acme"));
    let (mut colins, mut theirs) = tokio::join!(colin.listen(), acme.listen());
    let mut conny = house.visitor(&calls, ROOM, "Conny").await;
    let rooms = calls.get("/v1/rooms").await.json;
    assert_eq!(rooms["data"][0]["room"], ROOM, "{rooms}");
    assert_eq!(colin.control(ROOM, json!({ "say": { "text": "Boo." } })).await.status, 404);
    assert_eq!(acme.control(ROOM, json!({ "say": { "text": "Boo." } })).await.status, 404);

    // An answer to a question comes on the socket as it does in the room.
    let asked = conny.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert_eq!(sidecar.until_end(&asked.turn_id).await, "completed");
    let own = sidecar.seen.iter().filter(|event| event.turn_id == asked.turn_id);
    let answer: String = own
        .filter_map(|event| match &event.event {
            Some(Event::TextChunk(chunk)) => Some(chunk.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(answer, asked.answer);
    let kinds = sidecar.kinds();
    for kind in ["Transcript", "TextChunk", "AgentState", "StreamEnd"] {
        assert!(kinds.iter().any(|seen| seen == kind), "no {kind} among {kinds:?}");
    }
    assert!(sidecar.seen.iter().all(|event| event.people.contains(&"conny".to_owned())));

    // Say: by itself, and everybody hears it.
    conny.speak(Vec::new()).await.unwrap();
    let said = calls.control(ROOM, json!({ "say": { "text": "Dinner is ready in the garden." } })).await;
    assert_eq!(said.status, 200, "{}", said.json);
    conny.until_audible(PATIENCE).await.unwrap();

    // Interrupt: what is being said ends, and what follows is another turn.
    let story = house.recite("Please tell me a long story about a ship on the sea.").await;
    conny.speak(story).await.unwrap();
    conny.until_audible(PATIENCE).await.unwrap();
    assert_eq!(calls.control(ROOM, json!({ "interrupt": {} })).await.status, 200);
    sidecar.until("the interruption", |event| matches!(event, Event::Interrupted(_))).await;

    // What was under way has also been heard by now.
    sidecar.until_quiet(Duration::from_millis(500)).await;

    // Mute: answers are written and not spoken.
    let muted = calls.control(ROOM, json!({ "mute": { "muted": true } })).await.json;
    assert_eq!(muted["muted"], true, "{muted}");
    let silent = conny.write("What is the capital of France?", PATIENCE).await.unwrap();
    assert!(!silent.answer.is_empty());
    let heard = if silent.audio.is_empty() { String::new() } else { transcribe(&silent.audio).await };
    assert!(silent.total.is_none(), "a muted agent was heard after {:?}: {heard}", silent.total);
    let spoken = calls.control(ROOM, json!({ "mute": { "muted": false } })).await.json;
    assert!(spoken["muted"] == false || spoken["muted"].is_null(), "{spoken}");

    // Write: as the caller's person.
    let written = calls.control(ROOM, json!({ "write": { "text": "What is the capital of Italy?" } })).await;
    assert_eq!(written.status, 200, "{}", written.json);
    let session = text(&written.json, "sessionId");
    let turns = house.turns(&calls, &session, 4).await;
    let last = turns.last().unwrap();
    assert_eq!((text(last, "person_id"), text(last, "modality")), ("conny".to_owned(), "text".to_owned()));
    assert!(overlap("capital of Italy", &text(last, "words")) > 0.9, "{last}");
    assert_eq!(text(&turns[1], "status"), "interrupted", "{}", turns[1]);

    // Leave: and not called back while the same person stays.
    let left = calls.control(ROOM, json!({ "leave": {} })).await;
    assert_eq!(left.status, 200, "{}", left.json);
    aether_testkit::eventually("the agent has gone", 20, || async { !house.leased(ROOM).await }).await;
    sidecar.until_quiet(Duration::from_secs(4)).await;
    assert!(!house.leased(ROOM).await, "the agent came back to somebody who had sent it away");
    assert_eq!(calls.control(ROOM, json!({ "look": {} })).await.status, 404);
    conny.leave().await;

    for stranger in [&mut colins, &mut theirs] {
        stranger.until_quiet(Duration::from_millis(300)).await;
        assert!(stranger.seen.is_empty(), "told to somebody whom it does not concern: {:?}", stranger.kinds());
    }
}
