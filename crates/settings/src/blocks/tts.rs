use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&MAX_CALLS];

const MAX_CALLS: Setting = Setting {
    key: "tts.max_calls",
    env: &["AETHER_TTS_MAX_CALLS"],
    default: Some("16"),
    shown: Shown::All,
    about: "texts that one tts process speaks at the same time",
};

/// How much the tts service takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtsSettings {
    pub max_calls: u32,
}

impl TtsSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Ok(Self { max_calls: loader.required(&MAX_CALLS, |text| value::integer(text, 1..=10_000))? })
    }
}
