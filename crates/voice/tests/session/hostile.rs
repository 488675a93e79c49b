//! What parts and people do to a session at the worst moment, and how each of it ends.

use aether_turn::floor::Phase;
use aether_voice::session::OpenTurn;

use crate::played::{Line, text};
use crate::scene::{Scene, guest};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_interruptions_in_a_row_leave_an_agent_that_answers() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me.", vec![text("Once there was a ship. "), Line::Pause]);
    let mut phase = scene.session.phase();
    for _ in 0..200 {
        scene.write(&guest("Ada"), "Tell me.").await;
        phase.wait_for(|phase| *phase != Phase::Listening).await.unwrap();
        scene.session.interrupt().await.unwrap();
    }
    scene.write(&guest("Ada"), "Is it late?").await;
    let ends = scene.ended(201).await;
    assert!(ends[..200].iter().all(|end| end == "interrupted"), "{ends:?}");
    assert_eq!(ends[200..], ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_stalls_in_its_middle_is_given_up_and_the_answer_written() {
    let scene = Scene::open().await;
    scene.prepare().await;
    scene.voice.stalls_after_the_first_word(true);
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.shows("tts_unavailable").await;
    assert_eq!(scene.ended(1).await, ["completed"]);
    scene.voice.stalls_after_the_first_word(false);
    scene.shows("tts_available").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_they_are_answered_leaves_an_agent_for_the_others() {
    for phase in [Phase::Thinking, Phase::Speaking] {
        let scene = Scene::open().await;
        let lines = match phase {
            Phase::Thinking => vec![Line::Pause, text("Yes. ")],
            _ => vec![text("Once there was a ship. "), Line::Pause, text("It sank.")],
        };
        scene.brain.says("Well?", lines);
        let ada = guest("Ada");
        scene.session.arrived(ada.clone()).await.unwrap();
        // Asked aloud: who writes may be anywhere.
        let turn = aether_proto::TurnId::generate();
        scene.session.take_up(OpenTurn { turn, guest: ada.clone(), words: "Well?".to_owned() }).await.unwrap();
        scene.session.phase().wait_for(|now| *now == phase).await.unwrap();
        scene.session.left(ada.participant.identity).await.unwrap();
        scene.brain.go_on.0.add_permits(1);
        scene.write(&guest("Bob"), "Is it late?").await;
        assert_eq!(scene.ended(2).await, ["completed", "completed"], "{phase:?}");
    }
}
