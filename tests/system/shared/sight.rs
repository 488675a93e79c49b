//! What an operator sees: a turn on the bus that can be read, and services that count their work.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::timeout;

use crate::house::{House, recording};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_can_be_read_on_the_bus_and_is_counted_once() {
    let house = House::shared().await;
    house.until_empty().await;
    let operator = house.operator().await;
    let turns_before = turns(&operator).await;
    let mut wire = operator.subscribe(">").await.unwrap();
    let exchange = house.ask("observatory", "sigrid", recording("cmd11.wav")).await;
    for server in [&house.brain, &house.tts] {
        let log = server.log();
        assert!(log.contains(&exchange.metrics.trace_id), "a turn is one trace:\n{log}");
        assert!(!log.to_lowercase().contains("seven"), "what people say is not logged:\n{log}");
    }

    let mut seen = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::from_millis(500), wire.next()).await {
        let subject = message.subject.to_string();
        if subject.starts_with("audio.")
            || subject.starts_with('$')
            || subject.starts_with("_INBOX.") && message.payload.is_empty()
        {
            continue;
        }
        let text = std::str::from_utf8(&message.payload).unwrap_or_else(|_| panic!("{subject} carries bytes"));
        let readable = text.is_empty() || serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert!(readable, "{subject} carries what nobody can read: {text}");
        seen.push(subject);
    }
    for subject in ["brain.request", "tts.request", "room.default.observatory.events", "turns.default."] {
        assert!(seen.iter().any(|seen| seen.starts_with(subject)), "no {subject} among {seen:?}");
    }

    assert_eq!(turns(&operator).await, turns_before + 1, "one turn is one call");
}

/// How many turns brain says that it was asked for.
async fn turns(operator: &async_nats::Client) -> u64 {
    let reply = operator.request("$SRV.STATS.brain", "".into()).await.unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
    let endpoints = stats["endpoints"].as_array().unwrap();
    let turns = endpoints.iter().find(|endpoint| endpoint["subject"] == "brain.request").unwrap();
    turns["num_requests"].as_u64().unwrap()
}
