use std::path::PathBuf;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&HOME];

const HOME: Setting = Setting {
    key: "home",
    env: &["AETHER_HOME"],
    default: Some(".aether"),
    shown: Shown::All,
    about: "folder of parts, models, state and logs",
};

/// Where everything that Aether installs and keeps lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeSettings {
    pub home: PathBuf,
}

impl HomeSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        Ok(Self { home: loader.required(&HOME, value::path)? })
    }

    /// One folder per model id.
    pub fn models(&self) -> PathBuf {
        self.home.join("models")
    }

    /// What ONNX Runtime is loaded from.
    pub fn onnxruntime(&self) -> PathBuf {
        self.home.join("parts/lib/libonnxruntime.so")
    }

    /// What LiveKit's client is loaded from.
    pub fn livekit_ffi(&self) -> PathBuf {
        self.home.join("parts/lib/liblivekit_ffi.so")
    }

    /// The page, as it was built.
    pub fn web(&self) -> PathBuf {
        self.home.join("web")
    }

    /// Where a publisher keeps what NATS could not take yet.
    pub fn spool(&self) -> PathBuf {
        self.home.join("state/spool")
    }
}
