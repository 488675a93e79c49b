//! The `.onnx.json` file beside a Piper voice.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no voice settings at {}; get the voice with `aether models get`", .0.display())]
    Missing(PathBuf),
    #[error("{} is not the settings file of a Piper voice: {reason}", path.display())]
    NotPiper { path: PathBuf, reason: String },
}

/// The part of the file that matters for speaking.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub audio: Audio,
    pub espeak: Espeak,
    #[serde(default)]
    pub inference: Inference,
    #[serde(default)]
    phoneme_type: Option<String>,
    pub phoneme_id_map: HashMap<String, Vec<i64>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Audio {
    pub sample_rate: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Espeak {
    pub voice: String,
}

/// How lively the voice is; the values are the ones Piper itself falls back to.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct Inference {
    pub noise_scale: f32,
    pub length_scale: f32,
    pub noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Self { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|_| Error::Missing(path.to_owned()))?;
        Self::parse(&text).map_err(|reason| Error::NotPiper { path: path.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !(8_000..=96_000).contains(&config.audio.sample_rate) {
            return Err(format!("a sample rate of {} Hz is none of a voice", config.audio.sample_rate));
        }
        if let Some(kind) = config.phoneme_type.as_deref().filter(|kind| *kind != "espeak") {
            return Err(format!("its phonemes are of type `{kind}`; only `espeak` voices can be spoken"));
        }
        let voice = &config.espeak.voice;
        if voice.is_empty() || !voice.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+')) {
            return Err(format!("`{voice}` is not the name of an espeak voice"));
        }
        if let Some(sign) = ["_", "^", "$"].into_iter().find(|sign| !config.phoneme_id_map.contains_key(*sign)) {
            return Err(format!("its phonemes lack `{sign}`"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"audio":{"sample_rate":22050},"espeak":{"voice":"en-us"},"phoneme_type":"espeak",
        "phoneme_id_map":{"_":[0],"^":[1],"$":[2]}}"#;

    #[test]
    fn a_voice_is_read_and_others_are_refused_with_the_reason() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!((config.audio.sample_rate, config.inference.noise_w), (22_050, 0.8));
        for (from, to, reason) in [
            ("22050", "5", "a sample rate of 5 Hz is none of a voice"),
            ("\"espeak\",", "\"text\",", "its phonemes are of type `text`; only `espeak` voices can be spoken"),
            ("en-us", "en us;", "`en us;` is not the name of an espeak voice"),
            ("\"^\"", "\"x\"", "its phonemes lack `^`"),
        ] {
            assert_eq!(Config::parse(&GOOD.replacen(from, to, 1)).unwrap_err(), reason);
        }
        assert!(Config::parse("{}").unwrap_err().contains("missing field `audio`"));
    }
}
