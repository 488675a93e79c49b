//! Somebody who speaks for long.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aether_speech::stt::{self, Decoder, Priority, Transcriber, Transcript};
use aether_voice::lane::{self, Ears, EndpointingOptions};
use aether_voice::session::Manners;

use crate::scene::{EARS, Scene, guest};

/// Understands how long a clip is, and nothing else.
struct ClipLengthDecoder;

impl Decoder for ClipLengthDecoder {
    fn decode(&mut self, samples: &[f32], _: Priority, _: &Arc<AtomicBool>) -> Result<Transcript, stt::Error> {
        Ok(Transcript::certain(&format!("{} ms", samples.len() / 16), Duration::ZERO))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_pause_in_a_long_speech_is_not_transcribed_again() {
    let transcriber = Transcriber::over(vec![ClipLengthDecoder]).unwrap();
    let patient = EndpointingOptions { without_model: Duration::from_millis(1_200), ..EndpointingOptions::default() };
    let lane = lane::Options { endpointing: patient, sentences: false, ..lane::Options::default() };
    let ears = Ears { transcriber, ..EARS.clone() };
    let scene = Scene::open_hearing_with(Manners::default(), lane, ears).await;
    // 7.5 s with pauses from 2.3 to 2.7 s and from 5.3 to 5.6 s.
    let speaking = scene.speak(&guest("Ada"), "LJ001-0018.wav").await;
    scene.ended(1).await;
    speaking.abort();
    let [(_, words)] = scene.brain.asked().try_into().unwrap();
    let lengths: Vec<u32> = words.split(" ms").filter_map(|part| part.trim().parse().ok()).collect();
    let [settled, rest] = lengths[..] else { panic!("{words}") };
    assert!((5_000..6_500).contains(&settled) && (1_500..3_500).contains(&rest), "{words}");
}
