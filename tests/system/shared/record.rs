//! Off the record: what is said then is answered and not kept, nowhere.

use std::time::Duration;

use aether_proto::client_event::Event;
use aether_testkit as testkit;
use async_nats::jetstream;
use futures::StreamExt as _;
use serde_json::json;

use crate::house::{House, PATIENCE, TENANT, recording, text};
use crate::words::overlap;

/// Words that are nowhere else.
const SECRETS: [&str; 3] = ["marmalade", "pelican", "cinnamon"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_off_the_record_is_answered_and_kept_nowhere() {
    let house = House::shared().await;
    let calls = house.caller(TENANT, "rhea");
    let mut sidecar = calls.listen().await;
    let mut rhea = house.visitor(&calls, "study", "Rhea").await;
    let kept = rhea.write("What is the capital of France?", PATIENCE).await.unwrap();
    assert_eq!(kept.end, "completed");

    let off = calls.control("study", json!({ "offTheRecord": { "off": true } })).await.json;
    assert_eq!(off["offTheRecord"], true, "{off}");
    sidecar.until("that it is off the record", |event| is_status(event, "off_the_record")).await;
    let secret = house.recite("My favourite bird is the pelican.").await;
    let spoken = rhea.ask(secret, PATIENCE).await.unwrap();
    assert!(overlap("my favourite bird is the pelican", &spoken.heard) > 0.6, "{}", spoken.heard);
    let written = rhea.write("The password of my safe is marmalade.", PATIENCE).await.unwrap();
    assert_eq!((spoken.end.as_str(), written.end.as_str()), ("completed", "completed"), "it is answered all the same");
    let typed = calls.chat_in("The password of my locker is cinnamon.", &[("X-Off-The-Record", "true")]).await;
    assert!(!typed.answer().is_empty());
    let on = calls.control("study", json!({ "offTheRecord": { "off": false } })).await.json;
    assert!(on["offTheRecord"] != true, "{on}");
    sidecar.until("that it is on the record", |event| is_status(event, "on_the_record")).await;

    // What is said now comes after it in the log: once its row is there, nothing of before is still on its way.
    let again = rhea.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert_eq!(again.end, "completed");
    let session = text(&on, "sessionId");
    let turns = house.turns(&calls, &session, 2).await;
    let words: Vec<_> = turns.iter().map(|turn| text(turn, "words")).collect();
    assert!(words.len() == 2 && overlap("seven times eight", &words[1]) > 0.6, "{words:?}");

    let owner = sqlx::PgPool::connect(&house.postgres.url).await.unwrap();
    let tables = sqlx::query_scalar::<_, String>("SELECT tablename::text FROM pg_tables WHERE schemaname = 'agents'");
    let tables = tables.fetch_all(&owner).await.unwrap();
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        // The table's name is its own; whole rows are searched as text.
        let query = format!("SELECT coalesce(string_agg(row::text, ' '), '') FROM agents.{table} AS row");
        let rows = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(query)).fetch_one(&owner).await.unwrap();
        nothing_of_it(&format!("table {table}"), &rows);
    }
    owner.close().await;
    nothing_of_it("the turn log", &turn_log(house.operator().await).await);
    for file in std::fs::read_dir(testkit::layout().state("spool")).into_iter().flatten() {
        let path = file.unwrap().path();
        nothing_of_it("the spool", &std::fs::read_to_string(path).unwrap_or_default());
    }
    let redis = house.redis.dir().join("redis");
    assert!(redis.is_dir());
    let state = calls.get("/v1/rooms").await.json;
    nothing_of_it("the rooms", &state.to_string());

    rhea.leave().await;
    let asked = calls.chat("What is the password of my safe?").await.answer();
    assert!(!asked.to_lowercase().contains("marmalade"), "{asked}");
    let mut later = house.visitor(&calls, "garden", "Rhea").await;
    let bird = later.write("What is my favourite bird?", PATIENCE).await.unwrap();
    assert!(!bird.answer.to_lowercase().contains("pelican"), "{}", bird.answer);
}

fn is_status(event: &Event, code: &str) -> bool {
    matches!(event, Event::Status(status) if status.code == code)
}

fn nothing_of_it(place: &str, text: &str) {
    let text = text.to_lowercase();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {place}");
    }
}

/// Everything that the stream still holds.
async fn turn_log(operator: async_nats::Client) -> String {
    let stream = jetstream::new(operator);
    let stream = stream.get_stream("TURNS").await.unwrap();
    let consumer = stream.create_consumer(jetstream::consumer::pull::OrderedConfig::default()).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut all = String::new();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(1), messages.next()).await {
        all.push_str(&String::from_utf8_lossy(&message.unwrap().payload));
    }
    assert!(all.contains("capital of France"), "what was kept is there: {} bytes", all.len());
    all
}
