//! Numbers for the README: `cargo test -p aether-speech --test speech -- --ignored --nocapture measure`.

use std::time::{Duration, Instant};

use aether_speech::tts::Chunk;
use aether_speech::vad::WINDOW;
use tokio_util::sync::CancellationToken;

use crate::parts::{VAD, VOICE, clip, speak, transcribe};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn measure() {
    let samples = clip("jfk.wav");
    let windows = samples.as_chunks::<WINDOW>().0;
    let mut stream = VAD.stream();
    let started = Instant::now();
    windows.iter().for_each(|window| drop(stream.push(window)));
    println!("voice activity: {:?} a window", started.elapsed() / windows.len() as u32);

    for file in ["cmd11.wav", "arctic_a0009.wav", "LJ001-0017.wav"] {
        let samples = clip(file);
        let mut times = Vec::new();
        for _ in 0..7 {
            times.push(transcribe(samples.clone()).await.decode);
        }
        println!("transcription of {:.1} s: {:?}", samples.len() as f32 / 16_000.0, median(times));
    }

    speak("Warm up.").await;
    for text in [
        "It is noon.",
        "The weather today is sunny and rather warm.",
        "I have set a timer for five minutes and will remind you when the time is up",
    ] {
        let (mut firsts, mut totals, mut sound) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..7 {
            let started = Instant::now();
            let mut chunks = VOICE.synthesize(text, 1.0, CancellationToken::new());
            let (mut first, mut samples) = (None, 0);
            while let Some(chunk) = chunks.recv().await {
                if let Chunk::Pcm(pcm) = chunk.unwrap() {
                    first.get_or_insert(started.elapsed());
                    samples += pcm.len();
                }
            }
            firsts.push(first.unwrap());
            totals.push(started.elapsed());
            sound = samples as f32 / VOICE.sample_rate_hz() as f32;
        }
        let (first, total) = (median(firsts), median(totals));
        let words = text.split(' ').count();
        println!(
            "{words} words: first sound {first:?}, {sound:.1} s in {total:?} ({:.3})",
            total.as_secs_f32() / sound
        );
    }
}
