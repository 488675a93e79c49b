use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&EMBEDDING_MODEL, &MAX_CALLS];

const EMBEDDING_MODEL: Setting = Setting {
    key: "brain.embedding_model",
    env: &["EMBEDDING_MODEL"],
    default: Some("all-MiniLM-L6-v2"),
    shown: Shown::All,
    about: "id of the model that memories are found by",
};
const MAX_CALLS: Setting = Setting {
    key: "brain.max_calls",
    env: &["AETHER_BRAIN_MAX_CALLS"],
    default: Some("16"),
    shown: Shown::All,
    about: "turns that one brain process works on at the same time",
};

/// How the brain remembers, and how many turns it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrainSettings {
    pub embedding_model: String,
    pub max_calls: u32,
}

impl BrainSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let embedding_model = loader.required(&EMBEDDING_MODEL, value::text);
        let max_calls = loader.required(&MAX_CALLS, |text| value::integer(text, 1..=10_000));
        Ok(Self { embedding_model: embedding_model?, max_calls: max_calls? })
    }
}
