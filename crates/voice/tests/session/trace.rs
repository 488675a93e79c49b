//! What is kept of the machines of a session.

use aether_testkit::eventually;
use aether_turn::trace::{Error, Replay};
use aether_voice::session::Manners;

use crate::scene::{Scene, guest};

fn differences(trace: &str) -> Vec<Error> {
    let mut replay = Replay::new();
    trace.lines().filter_map(|line| replay.next(line).err()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_played_again_bit_for_bit_and_what_was_changed_is_found() {
    let mut scene = Scene::open().await;
    let speaking = scene.speak(&guest("Ada"), "cmd11.wav").await;
    scene.ended(1).await;
    speaking.abort();
    scene.write(&guest("Bob"), "Is it late?").await;
    scene.ended(2).await;
    let trace = scene.trace().await.unwrap();

    assert_eq!(differences(&trace), []);
    let lines: Vec<_> = trace.lines().collect();
    let is_of = |machine: &str| lines.iter().filter(|line| line.contains(machine)).count();
    assert!(is_of(r#"{"machine":"floor""#) > 5 && is_of(r#"{"machine":{"lane":1}"#) > 3, "{trace}");

    let place = lines.iter().position(|line| line.contains(r#"{"commit":"#)).unwrap();
    let changed = trace.replacen(r#""written":false"#, r#""written":true"#, 1);
    let found = differences(&changed);
    assert!(matches!(found[..], [Error::Different { line, .. }] if line == place + 1), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_the_record_there_is_no_trace() {
    let mut scene = Scene::open_as(Manners { muted: false, off_the_record: true }).await;
    scene.write(&guest("Ada"), "A secret.").await;
    scene.ended(1).await;
    scene.session.set_off_the_record(false).await.unwrap();
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.ended(2).await;
    assert_eq!(scene.trace().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_ends_with_the_record() {
    let scene = Scene::open().await;
    scene.write(&guest("Ada"), "Is it late?").await;
    scene.ended(1).await;
    let written = || async { scene.traced().is_some_and(|trace| trace.contains(r#"{"complete":"#)) };
    eventually("the trace", 20, written).await;
    scene.session.set_off_the_record(true).await.unwrap();
    scene.write(&guest("Ada"), "A secret.").await;
    scene.ended(2).await;
    scene.session.set_off_the_record(false).await.unwrap();
    scene.write(&guest("Ada"), "Another question.").await;
    scene.ended(3).await;
    let before = scene.traced().unwrap();
    assert!(before.contains("Is it late?") && !before.contains("secret") && !before.contains("Another"), "{before}");
    assert_eq!(differences(&before), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_in_mid_word_is_silent_before_it_is_known_what_they_said() {
    let mut scene = Scene::open().await;
    let speaking = scene.speak(&guest("Ada"), "cmd11.wav").await;
    let has = |trace: Option<String>, what: &str| trace.is_some_and(|trace| trace.contains(what));
    eventually("a voice", 20, || async { has(scene.traced(), r#"{"began":{"lane":1}}"#) }).await;
    speaking.abort();
    let is_known = || async { has(scene.traced(), r#"{"withdrawn":"#) };
    eventually("what was said is known", 20, is_known).await;
    let trace = scene.trace().await.unwrap();
    let at = |what: &str| trace.lines().position(|line| line.contains(what));
    let known = at(r#"{"said":"#).into_iter().chain(at(r#"{"withdrawn":"#)).min();
    assert!(at(r#"{"ended":{"lane":1}}"#) < known, "{trace}");
}
