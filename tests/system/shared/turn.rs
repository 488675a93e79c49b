//! One spoken turn, and two at once.

use crate::house::{House, PATIENCE, recording, transcribe};
use crate::words::overlap;

#[tokio::test(flavor = "multi_thread")]
async fn a_spoken_question_gets_a_spoken_answer() {
    let house = House::shared().await;
    let exchange = house.ask("porch", "ada", recording("cmd11.wav")).await;

    assert!(overlap("what is seven times eight", &exchange.heard) > 0.7, "heard: {}", exchange.heard);
    assert_eq!(exchange.end, "completed");
    assert!(!exchange.answer.trim().is_empty());
    let spoken = transcribe(&exchange.audio).await;
    assert!(overlap(&exchange.answer, &spoken) > 0.5, "answer: {}\nspoken: {spoken}", exchange.answer);
    assert_eq!(exchange.metrics.trace_id.len(), 32, "a turn is one trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rooms_at_once_share_no_word() {
    let house = House::shared().await;
    let (mut bea, mut bob) = tokio::join!(house.person("kitchen", "bea"), house.person("garage", "bob"));
    let (kitchen, garage) =
        tokio::join!(bea.ask(recording("cmd11.wav"), PATIENCE), bob.ask(recording("cmd00.wav"), PATIENCE));
    let (kitchen, garage) = (kitchen.unwrap(), garage.unwrap());

    assert!(overlap("seven times eight", &kitchen.heard) > 0.6, "kitchen heard: {}", kitchen.heard);
    assert!(overlap("weather paris today", &garage.heard) > 0.6, "garage heard: {}", garage.heard);
    assert!(overlap("weather paris", &kitchen.heard) < 0.1 && overlap("seven eight", &garage.heard) < 0.1);
    assert_ne!(kitchen.turn_id, garage.turn_id);
    assert_ne!(kitchen.metrics.trace_id, garage.metrics.trace_id);
    for (own, other) in [(&kitchen, &garage), (&garage, &kitchen)] {
        let spoken = transcribe(&own.audio).await;
        let (right, wrong) = (overlap(&own.answer, &spoken), overlap(&other.answer, &spoken));
        assert!(right > 0.5 && right > wrong, "{right} of {:?}, {wrong} of {:?}: {spoken}", own.answer, other.answer);
    }
}

/// Nothing is answered to what is not speech.
#[tokio::test(flavor = "multi_thread")]
async fn silence_and_noise_are_not_answered() {
    let house = House::shared().await;
    let mut person = house.person("chapel", "silas").await;
    let noise: Vec<i16> = (0u32..48_000 * 4)
        .map(|index| ((index.wrapping_mul(1_103_515_245).wrapping_add(12_345) >> 16) as i16) / 40)
        .collect();
    let clap: Vec<i16> = (0..4_800).map(|index| if index < 240 { 20_000 } else { 0 }).collect();
    for sound in [vec![0; 48_000 * 3], noise, clap] {
        let outcome = person.ask(sound, std::time::Duration::from_secs(7)).await;
        assert!(outcome.is_err(), "answered to what is not speech: {:?}", outcome.map(|exchange| exchange.heard));
    }
    // And the agent still listens.
    let exchange = person.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert!(overlap("seven times eight", &exchange.heard) > 0.6, "{}", exchange.heard);
}
