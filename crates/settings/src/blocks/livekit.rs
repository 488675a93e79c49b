use crate::{Invalid, Loader, Secret, ServerUrl, Setting, Shown, value};

/// Below this, LiveKit's server refuses to start.
const SHORTEST_SECRET: usize = 32;

pub(crate) const SETTINGS: &[&Setting] = &[&URL, &API_KEY, &API_SECRET, &AGENT_NAME];

const URL: Setting = Setting {
    key: "livekit.url",
    env: &["LIVEKIT_URL"],
    default: Some("ws://127.0.0.1:7880"),
    shown: Shown::Url,
    about: "LiveKit server",
};
const API_KEY: Setting = Setting {
    key: "livekit.api_key",
    env: &["LIVEKIT_API_KEY"],
    default: Some("aether"),
    shown: Shown::All,
    about: "name of the API key at the LiveKit server",
};
const API_SECRET: Setting = Setting {
    key: "livekit.api_secret",
    env: &["LIVEKIT_API_SECRET"],
    default: None,
    shown: Shown::Nothing,
    about: "secret of that API key",
};
const AGENT_NAME: Setting = Setting {
    key: "livekit.agent_name",
    env: &["LIVEKIT_AGENT_NAME"],
    default: None,
    shown: Shown::All,
    about: "name to be dispatched by; without one the agent is sent into every room",
};

/// How to reach LiveKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveKitSettings {
    pub url: ServerUrl,
    pub api_key: String,
    pub api_secret: Secret,
    pub agent_name: Option<String>,
}

impl LiveKitSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let url = loader.required(&URL, |text| ServerUrl::parse(text, &["ws", "wss", "http", "https"]));
        let api_key = loader.required(&API_KEY, value::text);
        let api_secret = loader.required(&API_SECRET, |text| value::secret(text, SHORTEST_SECRET));
        let agent_name = loader.optional(&AGENT_NAME, value::text);
        Ok(Self { url: url?, api_key: api_key?, api_secret: api_secret?, agent_name: agent_name? })
    }
}
