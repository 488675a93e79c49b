//! What the gateway offers and whom it trusts, apart from what it works with.

use std::path::PathBuf;
use std::time::Duration;

use aether_identity::Keyring;
use aether_livekit::ApiKey;

use crate::Settings;

#[derive(Debug, Clone)]
pub struct Options {
    /// Where people reach the page and the API.
    pub public_url: String,
    /// Where this process reaches LiveKit.
    pub livekit_url: String,
    /// Where browsers do.
    pub livekit_public_url: String,
    pub livekit_key: ApiKey,
    /// The name that agents are called by; empty means whoever takes automatic jobs.
    pub agent_name: String,
    /// What keys and page tokens are made and known with.
    pub keyring: Keyring,
    /// Shown beside the agent in the list of models, and accepted for it.
    pub llm_model: String,
    /// Folder of the built page.
    pub web: PathBuf,
    /// The largest request, in bytes.
    pub body_limit: usize,
    /// How long an answer about a key is believed: so late does a revocation act.
    pub key_memory: Duration,
    /// How often at most the last use of a key is written down.
    pub touch_pause: Duration,
    /// How long the response of a stream waits for its first word, so that what fails before it has a status of its own.
    pub first_word: Duration,
    /// Between two signs of life in a stream that has nothing to say.
    pub keep_alive: Duration,
    /// How long an answer may go without a word from brain.
    pub answer_idle: Duration,
    /// How long what is still being written down may take after the wish to stop.
    pub drain: Duration,
}

impl Options {
    /// Everything but what must be told.
    pub fn new(keyring: Keyring, livekit_url: impl Into<String>, livekit_key: ApiKey, web: impl Into<PathBuf>) -> Self {
        let livekit_url = livekit_url.into();
        Self {
            public_url: "http://localhost:8000".to_owned(),
            livekit_public_url: livekit_url.clone(),
            livekit_url,
            livekit_key,
            agent_name: String::new(),
            keyring,
            llm_model: String::new(),
            web: web.into(),
            body_limit: 2 << 20,
            key_memory: Duration::from_secs(3),
            touch_pause: Duration::from_secs(60),
            first_word: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
            answer_idle: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        let Settings { gateway, home, livekit, llm, .. } = settings;
        let key = ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.expose().to_owned() };
        let web = gateway.web.clone().unwrap_or_else(|| home.web());
        let defaults = Self::new(Keyring::new(gateway.identity_secret.expose()), livekit.url.expose(), key, web);
        Self {
            public_url: gateway.public_url.expose().trim_end_matches('/').to_owned(),
            livekit_public_url: gateway
                .livekit_public_url
                .as_ref()
                .map_or_else(|| defaults.livekit_url.clone(), |url| url.expose().to_owned()),
            agent_name: livekit.agent_name.clone().unwrap_or_default(),
            llm_model: llm.model.clone(),
            ..defaults
        }
    }
}
