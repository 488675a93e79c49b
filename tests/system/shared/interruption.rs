//! Speaking over the answer stops it, and only what was heard counts as said.

use crate::house::{House, PATIENCE, recording};
use crate::words::overlap;

#[tokio::test(flavor = "multi_thread")]
async fn speech_over_the_answer_stops_it_and_is_answered() {
    let house = House::shared().await;
    let mut person = house.person("corridor", "ina").await;
    let long = house.recite("Please tell me a long story about a ship on the sea.").await;
    person.speak(long).await.unwrap();
    person.until_audible(PATIENCE).await.unwrap();

    let exchange = person.ask(recording("cmd11.wav"), PATIENCE).await.unwrap();
    assert!(exchange.interrupted, "the first answer was stopped");
    assert!(overlap("seven times eight", &exchange.heard) > 0.6, "{}", exchange.heard);
    assert_eq!(exchange.end, "completed");
}
