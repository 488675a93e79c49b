use std::path::PathBuf;

use crate::{Invalid, Loader, Secret, ServerUrl, Setting, Shown, value};

/// Shorter ones could be guessed.
const SHORTEST_SECRET: usize = 32;

pub(crate) const SETTINGS: &[&Setting] = &[&PUBLIC_URL, &LIVEKIT_PUBLIC_URL, &WEB, &IDENTITY_SECRET];

const PUBLIC_URL: Setting = Setting {
    key: "gateway.public_url",
    env: &["AETHER_PUBLIC_URL"],
    default: Some("http://localhost:8000"),
    shown: Shown::Url,
    about: "where people reach the page and the API",
};
const LIVEKIT_PUBLIC_URL: Setting = Setting {
    key: "gateway.livekit_public_url",
    env: &["LIVEKIT_PUBLIC_URL"],
    default: None,
    shown: Shown::Url,
    about: "where browsers reach LiveKit; by default where Aether does",
};
const WEB: Setting = Setting {
    key: "gateway.web",
    env: &["AETHER_WEB"],
    default: None,
    shown: Shown::All,
    about: "folder of the built page; by default web in AETHER_HOME",
};
const IDENTITY_SECRET: Setting = Setting {
    key: "gateway.identity_secret",
    env: &["AETHER_IDENTITY_SECRET"],
    default: None,
    shown: Shown::Nothing,
    about: "what the hashes of API keys and the page's tokens are made with; changing it ends them all",
};

/// What the gateway shows, and what it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    pub public_url: ServerUrl,
    /// Unset: the same as the services use.
    pub livekit_public_url: Option<ServerUrl>,
    /// Unset: [`HomeSettings::web`](crate::HomeSettings::web).
    pub web: Option<PathBuf>,
    pub identity_secret: Secret,
}

impl GatewaySettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let public_url = loader.required(&PUBLIC_URL, |text| ServerUrl::parse(text, &["http", "https"]));
        let livekit_public_url =
            loader.optional(&LIVEKIT_PUBLIC_URL, |text| ServerUrl::parse(text, &["ws", "wss", "http", "https"]));
        let web = loader.optional(&WEB, value::path);
        let identity_secret = loader.required(&IDENTITY_SECRET, |text| value::secret(text, SHORTEST_SECRET));
        Ok(Self {
            public_url: public_url?,
            livekit_public_url: livekit_public_url?,
            web: web?,
            identity_secret: identity_secret?,
        })
    }
}
