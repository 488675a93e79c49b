use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&ECHO_CANCELLATION, &MAX_SESSIONS];

const ECHO_CANCELLATION: Setting = Setting {
    key: "agent.echo_cancellation",
    env: &["AETHER_ECHO_CANCELLATION"],
    default: Some("off"),
    shown: Shown::All,
    about: "whether the agent's own voice is taken out of people's microphones: on or off",
};
const MAX_SESSIONS: Setting = Setting {
    key: "agent.max_sessions",
    env: &["AETHER_MAX_SESSIONS"],
    default: Some("8"),
    shown: Shown::All,
    about: "rooms that one agent process holds at the same time",
};

/// How many rooms the agent takes, and how it hears there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    pub echo_cancellation: bool,
    pub max_sessions: u32,
}

impl AgentSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let echo_cancellation = loader.required(&ECHO_CANCELLATION, value::switch);
        let max_sessions = loader.required(&MAX_SESSIONS, |text| value::integer(text, 1..=1_000));
        Ok(Self { echo_cancellation: echo_cancellation?, max_sessions: max_sessions? })
    }
}
