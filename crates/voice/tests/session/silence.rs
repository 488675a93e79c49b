//! How long a silence lasts before it is the end.

use aether_proto::client_event::Event;

use crate::scene::{Scene, guest};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_language_model_makes_of_the_words_decides_how_long_is_waited() {
    for (ends, wait_ms) in [(Some(0.0), 1_500), (Some(0.9), 500), (None, 500)] {
        let scene = Scene::open().await;
        if let Some(ends) = ends {
            scene.brain.takes_sentences_for_ended(ends);
        }
        let speaking = scene.speak(&guest("Ada"), "cmd12.wav").await;
        assert_eq!(scene.ended(1).await, ["completed"]);
        speaking.abort();
        let waited = scene.place.events().iter().find_map(|event| match &event.event {
            Some(Event::TurnMetrics(metrics)) => Some(metrics.endpoint_ms),
            _ => None,
        });
        assert_eq!(waited, Some(wait_ms), "{ends:?}");
    }
}
