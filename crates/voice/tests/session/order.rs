//! Who is answered when, and who is meant.

use std::time::Duration;

use aether_proto::client_event::Event;
use aether_proto::{ClientEvent, TurnId, TurnLogEntry, turn_log_entry::Step};
use aether_testkit::eventually;
use aether_voice::lane;
use aether_voice::session::{Manners, OpenTurn};

use crate::played::{Line, text};
use crate::scene::{Scene, guest};

fn transcripts(events: &[ClientEvent]) -> usize {
    events.iter().filter(|event| matches!(event.event, Some(Event::Transcript(_)))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_shown_answered_and_kept() {
    let scene = Scene::open().await;
    let ada = guest("Ada");
    scene.session.arrived(ada.clone()).await.unwrap();
    scene.write(&ada, "Is it late?").await;
    assert_eq!(scene.ended(1).await, ["completed"]);

    assert_eq!(scene.voice.said(), ["Yes."]);
    assert_eq!(scene.steps(4).await, ["ada text: Is it late?", "answer: Yes.", "heard 4", "completed"]);
    let events = scene.place.events().clone();
    assert!(events.iter().all(|event| event.people == ["ada"]), "{events:?}");
    let Some(Event::Transcript(transcript)) = &events[0].event else { unreachable!("{events:?}") };
    assert_eq!((transcript.speaker.as_str(), transcript.speaker_name.as_str()), ("ada-1", "Ada"));
    assert_eq!(
        (transcript.text.as_str(), transcript.r#final, transcript.modality.as_str()),
        ("Is it late?", true, "text")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_does_not_overtake_what_was_spoken() {
    // Long enough that the words are known, and not final, when something is written.
    let endpointing = lane::EndpointingOptions { without_model: Duration::from_secs(3), ..Default::default() };
    let patient = lane::Options { endpointing, partials: false, ..lane::Options::default() };
    let scene = Scene::open_with(Manners::default(), patient).await;
    let ada = guest("Ada");
    scene.session.arrived(ada.clone()).await.unwrap();
    let microphone = scene.speak(&ada, "cmd11.wav").await;
    eventually("a draft is shown", 30, || async { transcripts(&scene.place.events()) == 1 }).await;
    scene.write(&ada, "And nine?").await;
    assert_eq!(scene.ended(2).await, ["completed", "completed"]);
    microphone.abort();

    let steps = scene.steps(8).await;
    assert!(steps[0].starts_with("ada voice: "), "{steps:?}");
    assert_eq!(
        steps[1..],
        ["answer: Yes.", "heard 4", "completed", "ada text: And nine?", "answer: Yes.", "heard 4", "completed"]
    );
    let events = scene.place.events().clone();
    let shown: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::Transcript(shown)) => {
                Some((shown.modality.as_str(), shown.speaker_name.as_str(), shown.r#final))
            }
            _ => None,
        })
        .collect();
    assert_eq!(shown, [("voice", "Ada", false), ("text", "Ada", true), ("voice", "Ada", true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_people_are_told_apart_and_wait_for_each_other() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause, text("It sank.")]);
    let (ada, ben) = (guest("Ada"), guest("Ben"));
    for guest in [&ada, &ben] {
        scene.session.arrived(guest.clone()).await.unwrap();
    }
    scene.write(&ada, "Tell me a story.").await;
    scene.says("Once there was a ship.").await;
    scene.write(&ben, "And the captain?").await;
    scene.write(&ben, "Was he old?").await;
    // Both are shown at once, and neither cuts in.
    eventually("what Ben writes is shown", 10, || async { transcripts(&scene.place.events()) == 3 }).await;
    assert_eq!(scene.brain.asked().len(), 1);
    scene.brain.go_on.0.add_permits(1);
    assert_eq!(scene.ended(3).await, ["completed", "completed", "completed"]);

    let asked = scene.brain.asked();
    let asked: Vec<_> = asked.iter().map(|(open, words)| (words.as_str(), open.label_speakers)).collect();
    assert_eq!(asked, [("Tell me a story.", false), ("And the captain?", true), ("Was he old?", true)]);
    assert_eq!(scene.place.events().last().unwrap().people, ["ada", "ben"]);
    // Somebody who only writes leaves nothing behind.
    scene.session.left("ben-1".to_owned()).await.unwrap();
    scene.write(&ada, "Thank you.").await;
    scene.ended(4).await;
    assert_eq!(scene.place.events().last().unwrap().people, ["ada"]);
    // Whoever writes from elsewhere is concerned all the same.
    scene.write(&ben, "Good night.").await;
    scene.ended(5).await;
    let ends = |event: &&ClientEvent| matches!(event.event, Some(Event::StreamEnd(_)));
    assert_eq!(scene.place.events().iter().rfind(ends).unwrap().people, ["ada", "ben"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_waits_for_the_floor() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause, text("It sank.")]);
    scene.write(&guest("Ada"), "Tell me a story.").await;
    scene.says("Once there was a ship.").await;
    scene.session.announce("Hello, Ben!".to_owned()).await.unwrap();
    assert!(scene.session.say("Now!".to_owned()).await.is_err(), "an operator does not talk over an answer");
    scene.brain.go_on.0.add_permits(1);
    scene.says("Hello, Ben!").await;
    assert_eq!(scene.voice.said(), ["Once there was a ship.", "It sank.", "Hello, Ben!"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_agent_left_open_is_closed_and_answered() {
    let scene = Scene::open().await;
    let ada = guest("Ada");
    scene.session.arrived(ada.clone()).await.unwrap();
    let lost = TurnId::generate();
    scene.session.announce("Sorry, I was away for a moment.".to_owned()).await.unwrap();
    let open = OpenTurn { turn: lost, guest: ada, words: "Is it late?".to_owned() };
    scene.session.take_up(open.clone()).await.unwrap();
    eventually("the answer", 20, || async { scene.voice.said().len() == 2 }).await;
    assert_eq!(scene.voice.said(), ["Sorry, I was away for a moment.", "Yes."]);
    let steps = scene.steps(5).await;
    assert_eq!(steps, ["error", "ada voice: Is it late?", "answer: Yes.", "heard 4", "completed"]);
    let log = scene.log();
    assert_eq!((log[0].turn_id.as_str(), log[0].sequence), (lost.to_string().as_str(), 1 << 30));
    assert_ne!(log[1].turn_id, log[0].turn_id);
    assert_eq!(log[1].session_id, log[0].session_id);

    // Somebody who has gone is not answered; the turn is closed all the same.
    let gone = OpenTurn { turn: TurnId::generate(), guest: guest("Ben"), ..open };
    scene.session.take_up(gone).await.unwrap();
    let closed = scene.steps(6).await;
    assert_eq!(closed.last().unwrap(), "error");
    assert_eq!(scene.brain.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_turn_is_known_while_it_is_open() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause, text("It sank.")]);
    scene.write(&guest("Ada"), "Tell me a story.").await;
    let mut open = scene.session.open_turn();
    let known = open.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!((known.words.as_str(), known.guest.person.as_str()), ("Tell me a story.", "ada"));
    scene.brain.go_on.0.add_permits(1);
    open.wait_for(Option::is_none).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_a_session_ends_is_kept() {
    let scene = Scene::open().await;
    scene.brain.says("Tell me a story.", vec![text("Once there was a ship. "), Line::Pause]);
    scene.write(&guest("Ada"), "Tell me a story.").await;
    scene.says("Once there was a ship.").await;
    scene.write(&guest("Ben"), "And I?").await;
    eventually("what Ben writes is shown", 10, || async { transcripts(&scene.place.events()) == 2 }).await;
    scene.shutdown.cancel();
    eventually("the session ends", 10, || async { scene.running.is_finished() }).await;
    let committed = |log: &[TurnLogEntry]| {
        let words = |entry: &TurnLogEntry| matches!(&entry.step, Some(Step::UserCommitted(_)));
        let ended = |entry: &TurnLogEntry| matches!(&entry.step, Some(Step::Ended(_)));
        (log.iter().filter(|entry| words(entry)).count(), log.iter().filter(|entry| ended(entry)).count())
    };
    eventually("both turns are in the log", 10, || async { committed(&scene.log()) == (2, 2) }).await;
}
