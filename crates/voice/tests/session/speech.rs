//! What is said of an answer, and what counts as heard.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aether_proto::client_event::Event;
use aether_speech::stt::{self, Decoder, Priority, Transcriber, Transcript};
use aether_voice::lane::{self, Ears};
use aether_voice::session::Manners;

use crate::played::{Line, text};
use crate::scene::{EARS, Scene, guest};

/// Understands nothing of any voice.
struct DeafDecoder;

impl Decoder for DeafDecoder {
    fn decode(&mut self, _: &[f32], _: Priority, _: &Arc<AtomicBool>) -> Result<Transcript, stt::Error> {
        Ok(Transcript::certain("", Duration::ZERO))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_of_which_nothing_is_understood_yet_is_not_taken_for_a_sign_of_listening() {
    let ears = Ears { transcriber: Transcriber::over(vec![DeafDecoder]).unwrap(), ..EARS.clone() };
    let scene = Scene::open_hearing_with(Manners::default(), lane::Options::default(), ears).await;
    scene.brain.says("Why?", vec![text("Because it is so. "), Line::Pause]);
    scene.write(&guest("Ada"), "Why?").await;
    scene.says("Because it is so.").await;
    // More than two seconds without a pause.
    let speaking = scene.speak(&guest("Ben"), "LJ001-0018.wav").await;
    assert_eq!(scene.ended(1).await, ["interrupted"]);
    speaking.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_a_tool_runs_is_no_part_of_the_answer() {
    let scene = Scene::open().await;
    scene.brain.says(
        "What time is it?",
        vec![Line::Look("Let me look."), Line::Pause, Line::Found("10:31"), text("It is half past ten.")],
    );
    scene.write(&guest("Ada"), "What time is it?").await;
    // Before the tool has run.
    scene.says("Let me look.").await;
    scene.brain.go_on.0.add_permits(1);
    assert_eq!(scene.ended(1).await, ["completed"]);
    assert_eq!(scene.voice.said(), ["Let me look.", "It is half past ten."]);
    let steps = scene.steps(4).await;
    assert_eq!(steps[1..], ["answer: It is half past ten.", "heard 20", "completed"]);
    let events = scene.place.events().clone();
    let turn = events.iter().find_map(|event| match &event.event {
        Some(Event::ToolResult(result)) if result.summary == "10:31" => Some(event.turn_id.clone()),
        _ => None,
    });
    assert_eq!(turn.as_ref(), Some(&scene.log()[0].turn_id));
    assert_eq!(scene.place.statuses(), ["looking"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_answer_was_heard_as_far_as_it_was_said() {
    let scene = Scene::open().await;
    let answer = "See https://www.example.com/a/long/path now. ";
    scene.brain.says("Where?", vec![Line::Look("Let me look."), text(answer), Line::Pause, text("And then go.")]);
    // Asked aloud: what is written would count as read.
    let open = aether_voice::session::OpenTurn {
        turn: aether_proto::TurnId::generate(),
        guest: guest("Ada"),
        words: "Where?".to_owned(),
    };
    scene.session.arrived(guest("Ada")).await.unwrap();
    scene.session.take_up(open).await.unwrap();
    let spoken = answer.trim_end().len();
    let mut heard = scene.session.heard();
    heard.wait_for(|heard| heard.is_some_and(|heard| heard.text_bytes >= spoken)).await.unwrap();
    scene.session.interrupt().await.unwrap();
    assert_eq!(scene.ended(1).await, ["interrupted"]);
    assert_eq!(scene.voice.said(), ["Let me look.", "See example.com now."]);
    let events = scene.place.events().clone();
    let interrupted = events.iter().find_map(|event| match &event.event {
        Some(Event::Interrupted(interrupted)) => Some(interrupted.clone()),
        _ => None,
    });
    assert_eq!(interrupted.unwrap().heard_text, answer.trim_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_answer_is_the_turn_ends() {
    let scene = Scene::open().await;
    let code = format!("Like so:\n```rust\n{}```\nThat is all.", "let x = [1, 2, 3];\n".repeat(50));
    let answers = [
        "👍".to_owned(),
        code,
        "| a | b |\n|---|---|\n| 1 | 2 |\n".to_owned(),
        "x".repeat(20_000),
        "word and word, ".repeat(1_400),
        "你好，世界。".repeat(1_000),
    ];
    for (index, answer) in answers.iter().enumerate() {
        scene.brain.says(&index.to_string(), vec![text(answer.clone())]);
        scene.write(&guest("Ada"), &index.to_string()).await;
        assert_eq!(scene.ended(index + 1).await[index], "completed", "{index}");
    }
    scene.write(&guest("Ada"), &"Is it late? ".repeat(2_000)).await;
    scene.ended(answers.len() + 1).await;
    let words = scene.brain.asked().pop().unwrap().1;
    assert_eq!(words.len(), 24_000, "brain gets all of it");
    let largest = scene.place.events().iter().map(|event| serde_json::to_vec(event).unwrap().len()).max();
    assert!(largest.unwrap() < 10_000, "no place takes larger packets: {largest:?}");

    let said = scene.voice.said();
    assert!(said.iter().all(|said| said.len() <= 400));
    assert!(!said.iter().any(|said| said.contains("let") || said.contains('|')), "{said:?}");
    assert!(said.contains(&"That is all.".to_owned()));
    assert_eq!(said.iter().filter(|said| *said == "I have written it down for you.").count(), 2);
    assert_eq!(said.iter().filter(|said| *said == "I have written the rest down for you.").count(), 2);
}
