use std::net::SocketAddr;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&GATEWAY, &AGENT, &BRAIN, &TTS, &SCHEDULER, &NOTIFIER];

const ABOUT: &str = "address and port of the service's own HTTP server: health, metrics and what it offers";
const GATEWAY: Setting = Setting {
    key: "gateway.bind",
    env: &["AETHER_GATEWAY_BIND"],
    default: Some("127.0.0.1:8000"),
    shown: Shown::All,
    about: "address and port of the page and the API; 0.0.0.0:8000 shows them to the network",
};
const AGENT: Setting = Setting {
    key: "agent.bind",
    env: &["AETHER_AGENT_BIND"],
    default: Some("127.0.0.1:7901"),
    shown: Shown::All,
    about: ABOUT,
};
const BRAIN: Setting = Setting {
    key: "brain.bind",
    env: &["AETHER_BRAIN_BIND"],
    default: Some("127.0.0.1:7902"),
    shown: Shown::All,
    about: ABOUT,
};
const TTS: Setting = Setting {
    key: "tts.bind",
    env: &["AETHER_TTS_BIND"],
    default: Some("127.0.0.1:7903"),
    shown: Shown::All,
    about: ABOUT,
};

const SCHEDULER: Setting = Setting {
    key: "scheduler.bind",
    env: &["AETHER_SCHEDULER_BIND"],
    default: Some("127.0.0.1:7904"),
    shown: Shown::All,
    about: ABOUT,
};

const NOTIFIER: Setting = Setting {
    key: "notifier.bind",
    env: &["AETHER_NOTIFIER_BIND"],
    default: Some("127.0.0.1:7905"),
    shown: Shown::All,
    about: ABOUT,
};

/// Where a service's HTTP server listens. Loopback unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpSettings {
    pub bind: SocketAddr,
}

impl HttpSettings {
    pub fn gateway(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &GATEWAY)
    }

    pub fn agent(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &AGENT)
    }

    pub fn brain(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &BRAIN)
    }

    pub fn tts(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &TTS)
    }

    pub fn scheduler(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &SCHEDULER)
    }

    pub fn notifier(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Self::read(loader, &NOTIFIER)
    }

    fn read(loader: &mut Loader<'_>, setting: &'static Setting) -> Result<Self, Invalid> {
        Ok(Self { bind: loader.required(setting, value::address)? })
    }
}
