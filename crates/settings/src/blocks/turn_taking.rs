use std::path::PathBuf;
use std::time::Duration;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[
    &END_OF_TURN_MODEL,
    &ENDPOINT_SHORTEST,
    &ENDPOINT_LONGEST,
    &ENDPOINT_OPEN_WORDS,
    &ENDPOINT_SILENCE,
    &ENDPOINT_SENTENCES,
    &PARTIALS,
    &WORK_AHEAD,
    &TRACE,
];

/// Chosen instead of a model's id.
const NO_MODEL: &str = "none";

const END_OF_TURN_MODEL: Setting = Setting {
    key: "turn.end_of_turn_model",
    env: &["END_OF_TURN_MODEL"],
    default: Some("smart-turn-v3.2"),
    shown: Shown::All,
    about: "id of the model that hears whether a person is done, or none",
};
const ENDPOINT_SHORTEST: Setting = Setting {
    key: "turn.endpoint_shortest_ms",
    env: &["AETHER_ENDPOINT_SHORTEST_MS"],
    default: Some("800"),
    shown: Shown::All,
    about: "silence after which a person who is surely done is answered, in milliseconds",
};
const ENDPOINT_LONGEST: Setting = Setting {
    key: "turn.endpoint_longest_ms",
    env: &["AETHER_ENDPOINT_LONGEST_MS"],
    default: Some("2000"),
    shown: Shown::All,
    about: "the same for one who is surely not done, in milliseconds",
};
const ENDPOINT_OPEN_WORDS: Setting = Setting {
    key: "turn.endpoint_open_words_ms",
    env: &["AETHER_ENDPOINT_OPEN_WORDS_MS"],
    default: Some("1500"),
    shown: Shown::All,
    about: "the least silence after an \"um\", half a number or half a sentence, in milliseconds",
};
const ENDPOINT_SILENCE: Setting = Setting {
    key: "turn.endpoint_silence_ms",
    env: &["AETHER_ENDPOINT_SILENCE_MS"],
    default: Some("500"),
    shown: Shown::All,
    about: "silence after which a person is taken to be done where no model hears it, in milliseconds",
};
const ENDPOINT_SENTENCES: Setting = Setting {
    key: "turn.endpoint_sentences",
    env: &["AETHER_ENDPOINT_SENTENCES"],
    default: Some("on"),
    shown: Shown::All,
    about: "ask the language model in a pause whether the sentence may end there: on or off",
};
const PARTIALS: Setting = Setting {
    key: "turn.partials",
    env: &["AETHER_PARTIALS"],
    default: Some("on"),
    shown: Shown::All,
    about: "transcribe people while they speak: on or off",
};
const WORK_AHEAD: Setting = Setting {
    key: "turn.work_ahead",
    env: &["AETHER_WORK_AHEAD"],
    default: Some("on"),
    shown: Shown::All,
    about: "make the answer in a pause that may be the end, unheard until it is: on or off",
};
const TRACE: Setting = Setting {
    key: "turn.trace",
    env: &["AETHER_TURN_TRACE"],
    default: None,
    shown: Shown::All,
    about: "folder for a trace of every session, to replay; it holds what people say, except off the record",
};

/// How the agent takes turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnTakingSettings {
    pub end_of_turn_model: Option<String>,
    pub endpoint_shortest: Duration,
    pub endpoint_longest: Duration,
    pub endpoint_open_words: Duration,
    pub endpoint_silence: Duration,
    pub endpoint_sentences: bool,
    pub partials: bool,
    pub work_ahead: bool,
    pub trace: Option<PathBuf>,
}

impl TurnTakingSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let end_of_turn_model = loader.required(&END_OF_TURN_MODEL, value::text);
        let shortest = loader.required(&ENDPOINT_SHORTEST, |text| value::milliseconds(text, 100..=10_000));
        let longest = loader.required(&ENDPOINT_LONGEST, |text| value::milliseconds(text, 100..=10_000));
        let open_words = loader.required(&ENDPOINT_OPEN_WORDS, |text| value::milliseconds(text, 0..=10_000));
        let silence = loader.required(&ENDPOINT_SILENCE, |text| value::milliseconds(text, 100..=10_000));
        let sentences = loader.required(&ENDPOINT_SENTENCES, value::switch);
        let partials = loader.required(&PARTIALS, value::switch);
        let work_ahead = loader.required(&WORK_AHEAD, value::switch);
        let trace = loader.optional(&TRACE, value::path);
        Ok(Self {
            end_of_turn_model: Some(end_of_turn_model?).filter(|model| model != NO_MODEL),
            endpoint_shortest: shortest?,
            endpoint_longest: longest?,
            endpoint_open_words: open_words?,
            endpoint_silence: silence?,
            endpoint_sentences: sentences?,
            partials: partials?,
            work_ahead: work_ahead?,
            trace: trace?,
        })
    }
}
