use std::time::Duration;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&ENDPOINT_SILENCE, &MAX_SESSIONS];

const ENDPOINT_SILENCE: Setting = Setting {
    key: "agent.endpoint_silence_ms",
    env: &["AETHER_ENDPOINT_SILENCE_MS"],
    default: Some("500"),
    shown: Shown::All,
    about: "silence after which a person is taken to be done, in milliseconds",
};
const MAX_SESSIONS: Setting = Setting {
    key: "agent.max_sessions",
    env: &["AETHER_MAX_SESSIONS"],
    default: Some("8"),
    shown: Shown::All,
    about: "rooms that one agent process holds at the same time",
};

/// How the agent listens, and how many rooms it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    pub endpoint_silence: Duration,
    pub max_sessions: u32,
}

impl AgentSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let endpoint_silence = loader.required(&ENDPOINT_SILENCE, |text| value::milliseconds(text, 100..=10_000));
        let max_sessions = loader.required(&MAX_SESSIONS, |text| value::integer(text, 1..=1_000));
        Ok(Self { endpoint_silence: endpoint_silence?, max_sessions: max_sessions? })
    }
}
