//! What is hard to say: signs, tables, code, and far too much of anything. Whatever it is, the turn ends and the next one
//! works.

use serde_json::json;

use aether_proto::client_event::Event;

use crate::house::{House, PATIENCE, TENANT, recording};
use crate::words::overlap;

const SIGNS: &str = "👋🎉 … ——— ***";
const MIXED: &str = "See https://example.com/a/very/long/path?with=a&query=string#and-more or mail me at a.b@c.example!\n\
    | fruit | price |\n|---|---|\n| apple | $5.20 |\n\n```rust\nfn main() { println!(\"{:?}\", [0x1F; 3]); }\n```\n👩‍💻 Ångström №5 ½ ∑";

fn twenty_thousand() -> String {
    "The quick brown fox jumps over the lazy dog again. ".repeat(400)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_sticks_in_a_room_or_in_writing() {
    let house = House::shared().await;
    let calls = house.caller(TENANT, "theo");
    let mut sidecar = calls.listen().await;
    let mut theo = house.visitor(&calls, "library", "Theo").await;

    // Said: spoken sensibly, or shortened, and then the agent listens again.
    for text in [SIGNS.to_owned(), MIXED.to_owned(), twenty_thousand()] {
        let length = text.len();
        let said = calls.control("library", json!({ "say": { "text": text } })).await;
        assert_eq!(said.status, 200, "{length} bytes: {}", said.json);
        if length > 1000 {
            // Even shortened that is a long speech.
            sidecar.until("that it speaks", |event| is_state(event, aether_proto::AgentState::Speaking)).await;
            assert_eq!(calls.control("library", json!({ "interrupt": {} })).await.status, 200);
        }
        aether_testkit::eventually(&format!("the agent listens after {length} bytes"), 60, || async {
            calls.control("library", json!({ "look": {} })).await.json["agentState"] == "LISTENING"
        })
        .await;
    }

    // Written to it: in writing, so that nobody has to listen to the answers.
    calls.control("library", json!({ "mute": { "muted": true } })).await;
    for text in [SIGNS.to_owned(), MIXED.to_owned(), twenty_thousand()] {
        let length = text.len();
        let answered = theo.write(&text, PATIENCE).await.unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        assert_eq!(answered.end, "completed", "{length} bytes: {:?}", answered.notices);
    }
    calls.control("library", json!({ "mute": { "muted": false } })).await;
    let exchange = theo.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert!(overlap("seven times eight", &exchange.heard) > 0.6, "{}", exchange.heard);
    assert_eq!(exchange.end, "completed");
    assert!(exchange.total.is_some(), "and it is heard again");

    for text in [SIGNS.to_owned(), MIXED.to_owned(), twenty_thousand()] {
        let reply = calls.chat(&text).await;
        // More than the model can hold may be refused, in words.
        assert!(reply.status == 200 || reply.status == 400, "{} bytes: {} {}", text.len(), reply.status, reply.json);
    }
    assert!(!calls.chat("What is the capital of France?").await.answer().is_empty());
}

fn is_state(event: &Event, wanted: aether_proto::AgentState) -> bool {
    matches!(event, Event::AgentState(state) if state.state() == wanted)
}
