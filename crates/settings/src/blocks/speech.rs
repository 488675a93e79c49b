use std::path::PathBuf;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] =
    &[&WHISPER_MODEL, &WHISPER_THREADS, &WHISPER_STATES, &PIPER_MODEL, &PIPER_WORKERS, &ESPEAK, &CUDA];

const WHISPER_MODEL: Setting = Setting {
    key: "speech.whisper_model",
    env: &["WHISPER_MODEL"],
    default: Some("whisper-tiny.en"),
    shown: Shown::All,
    about: "id of the model that transcribes",
};
const WHISPER_THREADS: Setting = Setting {
    key: "speech.whisper_threads",
    env: &["WHISPER_THREADS"],
    default: None,
    shown: Shown::All,
    about: "threads of one transcription; by default one for each core, at most 4",
};
const WHISPER_STATES: Setting = Setting {
    key: "speech.whisper_states",
    env: &["WHISPER_STATES"],
    default: Some("1"),
    shown: Shown::All,
    about: "transcriptions at the same time",
};
const PIPER_MODEL: Setting = Setting {
    key: "speech.piper_model",
    env: &["PIPER_MODEL"],
    default: Some("en_US-joe-medium"),
    shown: Shown::All,
    about: "id of the voice that speaks",
};
const PIPER_WORKERS: Setting = Setting {
    key: "speech.piper_workers",
    env: &["PIPER_WORKERS"],
    default: Some("2"),
    shown: Shown::All,
    about: "syntheses at the same time",
};
const ESPEAK: Setting = Setting {
    key: "speech.espeak",
    env: &["AETHER_ESPEAK"],
    default: Some("espeak-ng"),
    shown: Shown::All,
    about: "path or name of the espeak-ng program",
};

const CUDA: Setting = Setting {
    key: "speech.cuda",
    env: &["AETHER_CUDA"],
    default: Some("off"),
    shown: Shown::All,
    about: "whether Whisper, the end-of-turn model and the voice run on an NVIDIA card: on or off",
};

/// Which models hear and speak. Ids as `aether models list` shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechSettings {
    pub whisper_model: String,
    /// As many as suit the machine, unless given.
    pub whisper_threads: Option<u32>,
    pub whisper_states: u32,
    pub piper_model: String,
    pub piper_workers: u32,
    pub espeak: PathBuf,
    /// They are on an NVIDIA card, which the program must have been built for.
    pub cuda: bool,
}

impl SpeechSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let whisper_model = loader.required(&WHISPER_MODEL, value::text);
        let whisper_threads = loader.optional(&WHISPER_THREADS, |text| value::integer(text, 1..=256));
        let whisper_states = loader.required(&WHISPER_STATES, |text| value::integer(text, 1..=256));
        let piper_model = loader.required(&PIPER_MODEL, value::text);
        let piper_workers = loader.required(&PIPER_WORKERS, |text| value::integer(text, 1..=256));
        let espeak = loader.required(&ESPEAK, value::path);
        let cuda = loader.required(&CUDA, value::switch);
        Ok(Self {
            whisper_model: whisper_model?,
            whisper_threads: whisper_threads?,
            whisper_states: whisper_states?,
            piper_model: piper_model?,
            piper_workers: piper_workers?,
            espeak: espeak?,
            cuda: cuda?,
        })
    }
}
