use std::time::Duration;

use serde::Serialize;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&EMBEDDING_MODEL, &MAX_CALLS, &TOOLS, &TOOL_ROUNDS, &TOOL_TIMEOUT];

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

const TOOLS: Setting = Setting {
    key: "brain.tools",
    env: &["AETHER_TOOLS"],
    default: Some("relevant"),
    shown: Shown::All,
    about: "which of the agent's own tools the model is offered: relevant (those the words seem to ask for), always or never",
};
const TOOL_ROUNDS: Setting = Setting {
    key: "brain.tool_rounds",
    env: &["AETHER_TOOL_ROUNDS"],
    default: Some("3"),
    shown: Shown::All,
    about: "how often in one turn the model may ask for tools",
};
const TOOL_TIMEOUT: Setting = Setting {
    key: "brain.tool_timeout_ms",
    env: &["AETHER_TOOL_TIMEOUT_MS"],
    default: Some("5000"),
    shown: Shown::All,
    about: "longest time that one tool may run, in milliseconds",
};

/// Which of the agent's own tools the model is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferTools {
    /// Those that the person's words seem to ask for: small models are confused by tools that they don't need.
    Relevant,
    Always,
    Never,
}

/// How the brain remembers, and how many turns it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrainSettings {
    pub embedding_model: String,
    pub max_calls: u32,
    pub tools: OfferTools,
    pub tool_rounds: u32,
    pub tool_timeout: Duration,
}

impl BrainSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let embedding_model = loader.required(&EMBEDDING_MODEL, value::text);
        let max_calls = loader.required(&MAX_CALLS, |text| value::integer(text, 1..=10_000));
        let words = [("relevant", OfferTools::Relevant), ("always", OfferTools::Always), ("never", OfferTools::Never)];
        let tools = loader.required(&TOOLS, |text| value::one_of(text, &words));
        let tool_rounds = loader.required(&TOOL_ROUNDS, |text| value::integer(text, 1..=16));
        let tool_timeout = loader.required(&TOOL_TIMEOUT, |text| value::milliseconds(text, 100..=120_000));
        Ok(Self {
            embedding_model: embedding_model?,
            max_calls: max_calls?,
            tools: tools?,
            tool_rounds: tool_rounds?,
            tool_timeout: tool_timeout?,
        })
    }
}
