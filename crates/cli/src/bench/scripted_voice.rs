//! A voice that answers by the clock.

use std::time::Duration;

use aether_audio::pcm16;
use aether_bus::{AudioFrame, Bus, IncomingCall, RunningService, ServiceOptions, StartError};
use aether_proto::{ReadyReply, ReadyRequest, TtsDone, TtsInput, TtsOutput, subject, tts_output};
use tokio::time::{Instant, sleep};

/// What Piper takes on a fast machine; the figures don't depend on it.
pub const FIRST_AUDIO: Duration = Duration::from_millis(30);
const SAMPLE_RATE_HZ: u32 = 22_050;
const WORD: Duration = Duration::from_millis(300);
const FRAME: Duration = Duration::from_millis(100);
const HZ: f32 = 220.0;
/// Well above what counts as audible.
const AMPLITUDE: f32 = 0.2;

/// Hums for as long as the words would take, from the first sample on.
pub async fn start(bus: &Bus, max_calls: usize) -> Result<RunningService, StartError> {
    let options = ServiceOptions {
        name: "tts".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: "hums by the clock".to_owned(),
        max_calls,
    };
    bus.service(options)
        .request(subject::TTS_READY, |_, _: ReadyRequest| {
            std::future::ready(Ok(ReadyReply { ready: true, waiting_for: Vec::new() }))
        })
        .call(subject::TTS_REQUEST, speak)
        .start()
        .await
}

async fn speak(call: IncomingCall<TtsInput, TtsOutput>) -> Result<(), aether_proto::Error> {
    let asked = Instant::now();
    let words = call.open().text.split_whitespace().count();
    sleep(FIRST_AUDIO).await;
    let first_pcm = asked.elapsed();
    let hum = hum(WORD.saturating_mul(words as u32));
    for samples in hum.chunks((FRAME.as_secs_f32() * SAMPLE_RATE_HZ as f32) as usize) {
        let pcm = pcm16::to_bytes(&pcm16::from_f32(samples)).into();
        call.send_audio(AudioFrame { sample_rate_hz: SAMPLE_RATE_HZ, channels: 1, pcm }).await?;
    }
    let done = TtsDone {
        audio_us: (hum.len() as i64 * 1_000_000) / i64::from(SAMPLE_RATE_HZ),
        first_pcm_ms: first_pcm.as_millis() as u32,
        total_ms: asked.elapsed().as_millis() as u32,
    };
    call.send(&TtsOutput { output: Some(tts_output::Output::Done(done)) }).await?;
    Ok(())
}

fn hum(length: Duration) -> Vec<f32> {
    let samples = (length.as_secs_f32() * SAMPLE_RATE_HZ as f32) as u32;
    (0..samples).map(|at| AMPLITUDE * (std::f32::consts::TAU * HZ * at as f32 / SAMPLE_RATE_HZ as f32).cos()).collect()
}
