//! The agent's voice, coming back through somebody's loudspeaker and microphone.

use aether_proto::client_event::Event;
use aether_testkit::eventually;

use crate::guest::Visitor;
use crate::hall::Hall;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_does_not_listen_to_itself() {
    let hall = Hall::open().await;
    let _voice = hall.voice("arctic_a0009.wav").await;
    hall.brain.answers("He turned sharply and faced Gregson across the table.");
    let _agent = hall.agent_with(&[("AETHER_ECHO_CANCELLATION", "on")]).await;
    let ada = Visitor::come_with_echo(&hall, "ada", "phone", "Ada").await;
    ada.reads("Hello, Ada! How can I help you?").await;
    let ends = || {
        let ends = ada.events().into_iter().filter_map(|event| match event.event {
            Some(Event::StreamEnd(end)) => Some(end.reason),
            _ => None,
        });
        ends.collect::<Vec<_>>()
    };
    eventually("she is greeted", 30, async || ends().len() == 1).await;
    // What is taken for speech becomes a turn within the time of the next answer.
    for answers in 1..=3 {
        hall.brain.permits.add_permits(1);
        ada.write("Is it late?").await;
        eventually("the answer has been spoken", 30, async || ends().len() == 1 + answers).await;
    }
    assert_eq!(ends(), ["completed"; 4]);
    for event in ada.events() {
        match event.event {
            Some(Event::Transcript(transcript)) => assert_eq!(transcript.modality, "text", "{}", transcript.text),
            Some(Event::Interrupted(interrupted)) => panic!("interrupted after {:?}", interrupted.heard_text),
            _ => {}
        }
    }
    assert_eq!(hall.brain.asked().len(), 3);
}
