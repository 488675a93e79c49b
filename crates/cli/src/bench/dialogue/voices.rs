use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use aether_audio::{ROOM_HZ, Resampler, pcm16};
use aether_settings::HttpSettings;
use serde_json::json;
use tokio::process::Command;

use crate::{Context, Error};

/// The name of the agent's own voice in a script.
const PIPER: &str = "piper";
/// espeak-ng writes this much before the samples, and can't say how many of them will come.
const WAV_HEADER: usize = 44;
/// Words a minute: as people talk.
const SPEED: &str = "160";

/// Synthetic voices. What was said once is kept.
pub(crate) struct Voices {
    espeak: PathBuf,
    piper: String,
    client: reqwest::Client,
    said: BTreeMap<(String, String), Vec<f32>>,
}

impl Voices {
    pub(crate) fn find(context: &Context) -> Result<Self, Error> {
        let espeak = match context.variable("AETHER_ESPEAK") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => context.layout().program("espeak-ng", "set AETHER_ESPEAK to its path")?,
        };
        let bind = context.settings(HttpSettings::tts)?.bind;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| Error::Input(error.to_string()))?;
        Ok(Self { espeak, piper: format!("http://{bind}/tts/stream"), client, said: BTreeMap::new() })
    }

    /// 48 kHz, at whatever level it comes.
    pub(crate) async fn say(&mut self, voice: &str, text: &str) -> Result<Vec<f32>, Error> {
        let key = (voice.to_owned(), text.to_owned());
        if let Some(samples) = self.said.get(&key) {
            return Ok(samples.clone());
        }
        let samples = if voice == PIPER { self.piper(text).await? } else { self.espeak(voice, text).await? };
        self.said.insert(key, samples.clone());
        Ok(samples)
    }

    async fn espeak(&self, voice: &str, text: &str) -> Result<Vec<f32>, Error> {
        let program = self.espeak.display().to_string();
        let output = Command::new(&self.espeak)
            .args(["-v", voice, "-s", SPEED, "--stdout", "--", text])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(Error::io(format!("{program} can't be started")))?;
        let (header, pcm) = output.stdout.split_at_checked(WAV_HEADER).unwrap_or_default();
        let rate = header.get(24..28).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        match rate {
            Some(rate_hz) if output.status.success() && !pcm.is_empty() => converted(pcm, rate_hz),
            _ => {
                let why = String::from_utf8_lossy(&output.stderr);
                Err(Error::Input(format!("{program} does not say {text:?} with the voice {voice:?}: {}", why.trim())))
            }
        }
    }

    async fn piper(&self, text: &str) -> Result<Vec<f32>, Error> {
        let failed = |why: String| Error::Input(format!("the voice at {} does not say {text:?}: {why}", self.piper));
        let request = self.client.post(&self.piper).json(&json!({ "text": text, "format": "pcm" }));
        let response = async { request.send().await?.error_for_status() };
        let response = response.await.map_err(|error| failed(error.to_string()))?;
        let rate = response.headers().get("aether-sample-rate-hz").and_then(|rate| rate.to_str().ok()?.parse().ok());
        let rate_hz = rate.ok_or_else(|| failed("it does not say its sample rate".to_owned()))?;
        let pcm = response.bytes().await.map_err(|error| failed(error.to_string()))?;
        converted(&pcm, rate_hz)
    }
}

fn converted(pcm: &[u8], rate_hz: u32) -> Result<Vec<f32>, Error> {
    // A stream that was cut in the middle of a sample is whole without it.
    let whole = pcm.len() & !1;
    let samples = pcm16::from_bytes(&pcm[..whole]).map_err(|error| Error::Input(error.to_string()))?;
    Resampler::convert(&pcm16::to_f32(&samples), rate_hz, ROOM_HZ).map_err(|error| Error::Input(error.to_string()))
}
