//! The wire format, as a person with the nats CLI sees it. A change here is a change for every deployed peer.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

use aether_proto::{
    BrainInput, BrainOutput, ClientEvent, Commit, Done, ErrorCode, Modality, Open, TranscriptEvent, TtsMark,
    TurnLogEntry, Update, UserCommitted, brain_input, brain_output, client_event, turn_log_entry,
};
use serde::Serialize;

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap()
}

#[test]
fn brain_input() {
    let open = Open {
        session_id: "s".into(),
        turn_id: "t".into(),
        generation: 2,
        person_id: "ada".into(),
        modality: Modality::Voice.into(),
        words: "what is".into(),
        ..Open::default()
    };
    insta::assert_snapshot!(json(&BrainInput { input: Some(brain_input::Input::Open(open)) }), @r#"{"open":{"sessionId":"s","turnId":"t","generation":2,"personId":"ada","modality":"VOICE","words":"what is"}}"#);
    let guess = Update { generation: 2, words: "what is it?".into(), guess: true };
    insta::assert_snapshot!(json(&BrainInput { input: Some(brain_input::Input::Update(guess)) }), @r#"{"update":{"generation":2,"words":"what is it?","guess":true}}"#);
    let commit = Commit { generation: 2, text: "what is it?".into() };
    insta::assert_snapshot!(json(&BrainInput { input: Some(brain_input::Input::Commit(commit)) }), @r#"{"commit":{"generation":2,"text":"what is it?"}}"#);
}

#[test]
fn what_is_from_the_future_is_tolerated() {
    let output: BrainOutput =
        serde_json::from_str(r#"{"done":{"finishReason":"stop","totalMs":7,"mood":"fine"},"colour":3}"#).unwrap();
    let done = Done { finish_reason: "stop".into(), total_ms: 7, ..Done::default() };
    assert_eq!(output.output, Some(brain_output::Output::Done(done)));
    let open: Open = serde_json::from_str(r#"{"turnId":"t","modality":"TELEPATHY"}"#).unwrap();
    assert_eq!(open.turn_id, "t");
}

#[test]
fn the_rest() {
    let entry = TurnLogEntry {
        session_id: "s".into(),
        turn_id: "t".into(),
        sequence: 0,
        at_unix_us: 1_700_000_000_000_000,
        step: Some(turn_log_entry::Step::UserCommitted(UserCommitted {
            room: "kitchen".into(),
            person_id: "ada".into(),
            text: "hello".into(),
            modality: "voice".into(),
            ..UserCommitted::default()
        })),
    };
    insta::assert_snapshot!(json(&entry), @r#"{"sessionId":"s","turnId":"t","atUnixUs":"1700000000000000","userCommitted":{"room":"kitchen","personId":"ada","text":"hello","modality":"voice"}}"#);
    let event = ClientEvent {
        room: "kitchen".into(),
        event: Some(client_event::Event::Transcript(TranscriptEvent {
            speaker: "ada".into(),
            text: "hello".into(),
            r#final: true,
            ..TranscriptEvent::default()
        })),
        ..ClientEvent::default()
    };
    insta::assert_snapshot!(json(&event), @r#"{"room":"kitchen","transcript":{"speaker":"ada","text":"hello","final":true}}"#);
    let mark = TtsMark { text_start: 0, text_end: 5, offset_us: 120_000, exact: true };
    insta::assert_snapshot!(json(&mark), @r#"{"textEnd":5,"offsetUs":"120000","exact":true}"#);
    insta::assert_snapshot!(json(&ErrorCode::Overloaded.error("try again")), @r#"{"code":"overloaded","message":"try again"}"#);
}
