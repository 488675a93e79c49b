//! How long a silence lasts before it is the end.

use std::time::Duration;

use aether_proto::client_event::Event;
use metrics_exporter_prometheus::PrometheusBuilder;

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

#[tokio::test]
async fn who_goes_on_soon_after_their_words_were_taken_for_all_was_cut_off() {
    for (silence, cut_offs) in [(Duration::from_millis(900), 1), (Duration::from_secs(3), 0)] {
        let recorder = PrometheusBuilder::new().build_recorder();
        // Everything that counts runs on this thread.
        let _recording = metrics::set_default_local_recorder(&recorder);
        let scene = Scene::open().await;
        metrics::counter!("voice_cut_off_total").increment(0);
        let speaking = scene.speak_twice(&guest("Ada"), "cmd12.wav", silence).await;
        scene.ended(2).await;
        speaking.abort();
        let shown = recorder.handle().render();
        assert!(shown.contains(&format!("voice_cut_off_total {cut_offs}\n")), "{silence:?}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_still_being_made_keeps_the_silence_from_being_the_end() {
    for (is_slow, held_ms) in [(false, 0..1_400), (true, 1_400..5_000)] {
        let scene = Scene::open().await;
        if is_slow {
            scene.brain.is_slow();
        }
        let speaking = scene.speak(&guest("Ada"), "cmd12.wav").await;
        assert_eq!(scene.ended(1).await, ["completed"]);
        speaking.abort();
        let metrics = scene.place.events().iter().find_map(|event| match &event.event {
            Some(Event::TurnMetrics(metrics)) => Some(metrics.clone()),
            _ => None,
        });
        let metrics = metrics.unwrap();
        assert_eq!(metrics.endpoint_ms, 500, "that it was held is the answer's time and not the decision's");
        assert!(held_ms.contains(&(metrics.total_ms - metrics.endpoint_ms)), "{metrics:?}");
    }
}
