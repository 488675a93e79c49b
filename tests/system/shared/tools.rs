//! What the agent does besides talking: it looks at the clock, and keeps and forgets what it is told to.

use aether_proto::client_event::Event;
use aether_testkit::eventually;

use crate::house::{House, PATIENCE, TENANT, transcribe};

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_looks_at_the_clock_and_remembers_and_forgets_when_asked() {
    let house = House::shared().await;
    let calls = house.caller(TENANT, "tomas");
    let mut sidecar = calls.listen().await;
    let mut tomas = house.visitor(&calls, "workshop", "Tomas").await;
    let asked = tomas.ask(house.recite("What time is it?").await, PATIENCE).await.unwrap();
    assert_eq!(asked.end, "completed", "{:?}", asked.notices);
    let hour = utc_hour();
    let told = |text: &str, hour: u64| {
        let twelve = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        [hour, twelve].iter().any(|hour| text.contains(&hour.to_string()))
    };
    assert!(told(&asked.answer, hour) || told(&asked.answer, (hour + 23) % 24), "{hour}: {}", asked.answer);
    sidecar
        .until(
            "the tool's result",
            |event| matches!(event, Event::ToolResult(result) if result.ok && !result.summary.is_empty()),
        )
        .await;
    let facts = async || {
        let owner = sqlx::PgPool::connect(&house.postgres.url).await.unwrap();
        let facts = sqlx::query_scalar::<_, String>("SELECT text FROM agents.facts WHERE person_id = 'tomas'");
        let facts = facts.fetch_all(&owner).await.unwrap();
        owner.close().await;
        facts
    };
    let told = calls.chat("Remember that my bike is green.").await.answer();
    eventually(&format!("the fact is kept ({told})"), 10, || async {
        facts().await.iter().any(|fact| fact.to_lowercase().contains("green"))
    })
    .await;
    // The sentence that bridges the wait is spoken and belongs to no answer.
    let asked = tomas.ask(house.recite("What do you remember about me?").await, PATIENCE).await.unwrap();
    let spoken = transcribe(&asked.audio).await.to_lowercase();
    assert!(spoken.contains("let me look"), "heard {:?}, and said {spoken:?}", asked.heard);
    assert!(!asked.answer.contains("Let me look"), "{}", asked.answer);
    let told = calls.chat("Forget that my bike is green.").await.answer();
    eventually(&format!("the fact is gone ({told})"), 10, || async { facts().await.is_empty() }).await;
}

fn utc_hour() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() / 3600 % 24
}
