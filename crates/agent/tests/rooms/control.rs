//! What is asked of the agent from outside, and how it meets people.

use aether_proto::room_control::Action;
use aether_proto::{AgentState, ErrorCode, Leave, Mute, OffTheRecord, Say, Write, client_event};
use aether_testkit::eventually;

use crate::guest::Visitor;
use crate::hall::{Hall, kitchen, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_does_as_asked() {
    let hall = Hall::open().await;
    assert!(matches!(hall.look().await, Err(aether_bus::Error::NoWorker { .. })), "nobody is there to ask");
    let _agent = hall.agent().await;
    let ada = Visitor::come(&hall, "ada", "phone", "Ada").await;
    ada.reads("Hello, Ada! How can I help you?").await;
    let ben = Visitor::come(&hall, "ben", "phone", "Ben").await;
    ada.reads("Hello, Ben!").await;
    // The same person again, from another device and after having gone.
    let laptop = Visitor::come(&hall, "ada", "laptop", "Ada").await;
    ben.leave().await;
    let ben = Visitor::come(&hall, "ben", "phone", "Ben").await;
    let people = || async { hall.look().await.is_ok_and(|reply| reply.people == ["ada", "ben"]) };
    eventually("both are here", 10, people).await;
    laptop.leave().await;
    let look = hall.look().await.unwrap();
    assert!(look.holder.starts_with("agent/") && !look.session_id.is_empty() && !look.muted && !look.off_the_record);

    let failed =
        |result: Result<_, aether_bus::Error>| result.map(|_: aether_proto::RoomControlReply| ()).unwrap_err().code();
    assert_eq!(failed(hall.control(Action::Say(Say { text: "  ".to_owned() })).await), ErrorCode::InvalidArgument);
    assert_eq!(failed(hall.control(Action::Say(Say { text: "x".repeat(100_000) })).await), ErrorCode::TooLarge);
    let nobody = Write { text: "Hi".to_owned(), ..Write::default() };
    assert_eq!(failed(hall.control(Action::Write(nobody)).await), ErrorCode::InvalidArgument);

    assert!(hall.control(Action::Mute(Mute { muted: true })).await.unwrap().muted);
    assert!(hall.control(Action::OffTheRecord(OffTheRecord { off: true })).await.unwrap().off_the_record);
    let state = || async { hall.rooms.state(&tenant(), &kitchen()).await.unwrap().unwrap_or_default() };
    eventually("it is so for whoever takes over", 10, || async {
        let state = state().await;
        state.muted && state.off_the_record && state.greeted == ["ada", "ben"] && state.people == ["ada", "ben"]
    })
    .await;
    let write = Write { person_id: "ada".to_owned(), text: "Is it late?".to_owned(), ..Write::default() };
    hall.control(Action::Write(write)).await.unwrap();
    hall.brain.permits.add_permits(1);
    ben.reads("Yes.").await;
    let transcript = ben.events().into_iter().find_map(|event| match event.event {
        Some(client_event::Event::Transcript(transcript)) => Some((transcript, event.people)),
        _ => None,
    });
    let (transcript, people) = transcript.unwrap();
    assert_eq!((transcript.speaker.as_str(), transcript.speaker_name.as_str()), ("ada-phone", "Ada"));
    assert_eq!((transcript.modality.as_str(), people), ("text", vec!["ada".to_owned(), "ben".to_owned()]));
    assert!(hall.brain.asked()[0].0.off_the_record);

    let listens = || async { hall.look().await.is_ok_and(|reply| reply.agent_state() == AgentState::Listening) };
    eventually("the agent listens", 10, listens).await;
    hall.control(Action::Say(Say { text: "Dinner is ready.".to_owned() })).await.unwrap();
    ada.reads("Dinner is ready.").await;
    let greetings = ["Hello, Ada! How can I help you?", "Hello, Ben!", "Yes.", "Dinner is ready."];
    assert_eq!(ada.said(), greetings, "nobody is greeted twice");

    hall.control(Action::Leave(Leave {})).await.unwrap();
    eventually("nobody is there to ask", 10, || async {
        matches!(hall.look().await, Err(aether_bus::Error::NoWorker { .. }))
            && hall.rooms.holder(&tenant(), &kitchen()).await.unwrap().is_none()
    })
    .await;
}
