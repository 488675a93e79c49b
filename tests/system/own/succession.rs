//! Two agent processes. The one that has the room dies in mid-answer, and the other takes its place.

use std::time::{Duration, Instant};

use aether_proto::client_event::Event;
use serde_json::json;

use crate::caller::Sidecar;
use crate::house::{House, PATIENCE, TENANT, recording, text};
use crate::words::overlap;

/// On a quiet machine it is less than two seconds; this one may be busy.
const BACK_WITHIN: Duration = Duration::from_secs(6);
/// What is still on its way from the dead agent is heard for less.
const ECHO_MS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_takes_the_room_and_answers_what_was_asked() {
    let mut house = House::stand().await;
    let mut second = house.another_agent(TENANT).await;
    let calls = house.caller(TENANT, "ada");
    let mut sidecar = calls.listen().await;
    let mut ada = house.visitor(&calls, "kitchen", "Ada").await;
    let before = calls.control("kitchen", json!({ "look": {} })).await.json;
    let question = house.recite("Please tell me a long story about a ship on the sea.").await;
    ada.speak(question).await.unwrap();
    ada.until_audible(PATIENCE).await.unwrap();
    let question_heard = |event: &Event| matches!(event, Event::Transcript(transcript) if transcript.r#final);
    sidecar.until("the question", question_heard).await;
    let interrupted = next_answer(&mut sidecar, &[]).await;

    let holder = if house.conversations().await == 1 { &mut house.agent } else { &mut second };
    holder.kill().await;
    let died = Instant::now();
    ada.speak(vec![0; 48 * ECHO_MS]).await.unwrap();
    ada.until_audible(PATIENCE).await.unwrap();
    let away = died.elapsed();
    println!("the agent was heard again {} ms after its process was killed", away.as_millis());
    assert!(away < BACK_WITHIN, "away for {away:?}");

    let apology = next_answer(&mut sidecar, &[&interrupted]).await;
    let answered = next_answer(&mut sidecar, &[&interrupted, &apology]).await;
    let after = calls.control("kitchen", json!({ "look": {} })).await.json;
    assert_eq!(text(&before, "sessionId"), text(&after, "sessionId"), "it is the same conversation");
    assert_ne!(text(&before, "holder"), text(&after, "holder"), "by another agent");

    // The story is not waited for: the next question stops it, as it would any other, or comes right after a short one.
    ada.until_audible(PATIENCE).await.unwrap();
    ada.speak(recording("cmd11.wav")).await.unwrap();
    let next = next_answer(&mut sidecar, &[&interrupted, &apology, &answered]).await;
    assert_eq!(sidecar.until_end(&next).await, "completed");
    let turns = house.turns(&calls, &text(&before, "sessionId"), 3).await;
    let kept: Vec<_> = turns.iter().map(|turn| text(turn, "turn_id")).collect();
    assert_eq!(kept, [interrupted, answered, next], "each turn is there once, and the apology is none");
    assert_eq!(text(&turns[0], "status"), "error", "the turn that died is closed: {}", turns[0]);
    for turn in &turns[..2] {
        assert!(
            overlap("tell me a long story about a ship", &text(turn, "words")) > 0.6,
            "nothing said is lost: {turn}"
        );
    }
    assert!(!text(&turns[1], "answer").is_empty());
}

/// The turn of the next piece of an answer that is none of these turns.
async fn next_answer(sidecar: &mut Sidecar, known: &[&str]) -> String {
    loop {
        sidecar.until("an answer", |event| matches!(event, Event::TextChunk(_))).await;
        let turn = &sidecar.seen.last().unwrap().turn_id;
        if !known.contains(&turn.as_str()) {
            return turn.clone();
        }
    }
}
