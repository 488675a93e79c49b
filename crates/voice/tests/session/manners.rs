//! Muted, off the record, and without a part.

use aether_proto::client_event::Event;
use aether_proto::{ErrorCode, TurnLogEntry};
use aether_testkit::eventually;
use aether_voice::session::Manners;

use crate::played::{GRACE, Line, text};
use crate::scene::{Scene, guest};

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_agent_answers_in_writing_only() {
    let scene = Scene::open_as(Manners { muted: true, off_the_record: false }).await;
    scene.write(&guest("Ada"), "Is it late?").await;
    assert_eq!(scene.ended(1).await, ["completed"]);
    assert_eq!(scene.steps(4).await[1..], ["answer: Yes.", "heard 4", "completed"]);
    assert!(scene.voice.said().is_empty() && scene.place.frames() == 0);

    scene.session.set_muted(false).await.unwrap();
    assert!(!scene.session.manners().borrow().muted);
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.ended(2).await;
    assert_eq!(scene.voice.said(), ["Yes."]);
    assert_eq!(scene.place.statuses(), ["unmuted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_muted_while_it_speaks_falls_silent_and_goes_on_writing() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause, text("It sank at sea.")]);
    scene.write(&guest("Ada"), "Tell me a story.").await;
    scene.says("Once there was a ship.").await;
    scene.session.set_muted(true).await.unwrap();
    scene.brain.go_on.0.add_permits(1);
    assert_eq!(scene.ended(1).await, ["completed"]);
    assert_eq!(scene.voice.said(), ["Once there was a ship."]);
    let answer = "Once there was a ship. It sank at sea.";
    let heard = format!("heard {}", answer.len());
    assert!(scene.steps(5).await.contains(&heard), "what is written is read: {:?}", scene.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn off_the_record_nothing_is_kept_from_that_moment_on() {
    let scene = Scene::open().await;
    let ada = guest("Ada");
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause, text("It sank.")]);
    scene.write(&ada, "Tell me a story.").await;
    scene.says("Once there was a ship.").await;
    scene.session.set_off_the_record(true).await.unwrap();
    assert!(scene.session.open_turn().borrow().is_none());
    scene.brain.go_on.0.add_permits(1);
    scene.ended(1).await;
    scene.write(&ada, "A secret.").await;
    scene.ended(2).await;
    scene.session.set_off_the_record(false).await.unwrap();
    scene.write(&ada, "Is it late?").await;
    scene.ended(3).await;

    let told = [
        "ada text: Tell me a story.",
        "answer: Once there was a ship. ",
        "heard 23",
        "interrupted",
        "ada text: Is it late?",
        "answer: Yes.",
        "heard 4",
        "completed",
    ];
    assert_eq!(scene.steps(told.len()).await, told);
    let turns = |entry: &TurnLogEntry| entry.turn_id.clone();
    assert_ne!(turns(&scene.log()[0]), turns(&scene.log()[4]));
    let off: Vec<_> = scene.brain.asked().iter().map(|(open, _)| open.off_the_record).collect();
    assert_eq!(off, [false, true, false]);
    assert_eq!(scene.place.statuses(), ["off_the_record", "on_the_record"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_says_when_its_voice_is_back() {
    let mut scene = Scene::open().await;
    scene.tts_service.take().unwrap().stop(GRACE).await;
    scene.write(&guest("Ada"), "Is it late?").await;
    assert_eq!(scene.ended(1).await, ["completed"]);
    scene.shows("tts_unavailable").await;
    assert!(scene.voice.said().is_empty());

    scene.tts_service = Some(scene.voice.start(&scene.tts_bus).await);
    scene.says("My voice is back.").await;
    scene.shows("tts_available").await;
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.says("Yes.").await;
    assert_eq!(scene.place.statuses(), ["tts_unavailable", "tts_available"], "each is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_says_when_it_can_think_again() {
    let mut scene = Scene::open().await;
    scene.brain_service.take().unwrap().stop(GRACE).await;
    scene.write(&guest("Ada"), "Is it late?").await;
    assert_eq!(scene.ended(1).await[0], "error");
    scene.shows("llm_unavailable").await;
    let failed = |event: &aether_proto::ClientEvent| matches!(event.event, Some(Event::Error(_)));
    assert!(scene.place.events().iter().any(failed));

    scene.brain_service = Some(scene.brain.start(&scene.brain_bus).await);
    scene.says("I can think again.").await;
    scene.shows("llm_available").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_proves_it_needs_no_announcement() {
    let scene = Scene::open().await;
    let error = ErrorCode::LlmUnavailable.error("it is loading");
    scene.brain.says("Now?", vec![Line::Fail(error.clone())]);
    scene.write(&guest("Ada"), "Now?").await;
    scene.shows("llm_unavailable").await;
    eventually("it is noticed one way or the other", 20, || async {
        scene.place.statuses() == ["llm_unavailable", "llm_available"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_longer_than_usual_is_asked_for_a_moment_once() {
    let scene = Scene::open().await;
    scene.brain.says("Why?", vec![Line::Pause, text("Because."), Line::Pause]);
    scene.write(&guest("Ada"), "Why?").await;
    scene.says("One moment.").await;
    scene.shows("waiting").await;
    scene.brain.go_on.0.add_permits(2);
    assert_eq!(scene.ended(1).await, ["completed"]);
    assert_eq!(scene.voice.said(), ["One moment.", "Because."]);
    assert_eq!(scene.steps(4).await[1..], ["answer: Because.", "heard 8", "completed"], "it is no part of the answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_voice_says_so() {
    let mut scene = Scene::open().await;
    scene.prepare().await;
    let prepared = scene.voice.said();
    assert!(prepared.iter().any(|said| said.contains("no voice")), "{prepared:?}");
    scene.tts_service.take().unwrap().stop(GRACE).await;
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.shows("tts_unavailable").await;
    scene.ended(1).await;
    let told = scene.place.frames();
    // Twelve words of 20 ms.
    assert!(told >= 24, "{told} frames");

    scene.write(&guest("Ada"), "Is it late?").await;
    scene.ended(2).await;
    assert_eq!(scene.place.frames(), told, "once is enough");
}
