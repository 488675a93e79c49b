use std::{path::PathBuf, time::Duration};

/// How downloads behave. The defaults suit a person waiting at a terminal.
#[derive(Debug, Clone)]
pub struct Options {
    /// A host that has not answered in this time is left alone for some minutes.
    pub connect_timeout: Duration,
    /// A download that brings no byte for this long is broken off and resumed.
    pub idle_timeout: Duration,
    /// How often one download is tried without getting any further before its source is given up.
    pub attempts: u32,
    /// Pause before the first repetition; it doubles each time and is varied by half.
    pub retry_pause: Duration,
    /// The Python package index; unset means the one that pip on this machine uses.
    pub package_index: Option<String>,
    /// Bundles of root certificates (PEM) to trust besides those of the system.
    pub certificates: Vec<PathBuf>,
}

impl Options {
    /// The defaults, with pip's variables for its index and its certificates.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let certificates = ["PIP_CERT", "SSL_CERT_FILE"].iter().filter_map(|name| set(name)).map(PathBuf::from);
        let mut certificates: Vec<_> = certificates.collect();
        certificates.dedup();
        Self { package_index: set("PIP_INDEX_URL"), certificates, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(30),
            attempts: 4,
            retry_pause: Duration::from_millis(500),
            package_index: None,
            certificates: Vec::new(),
        }
    }
}
