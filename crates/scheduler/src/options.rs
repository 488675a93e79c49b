//! How much is done at once, and how long what may take.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use aether_proto::TenantId;

use crate::Settings;

#[derive(Debug, Clone)]
pub struct Options {
    /// Jobs at once that somebody waits for.
    pub workers_interactive: usize,
    /// And that nobody waits for.
    pub workers_background: usize,
    /// How many times as much as others a tenant gets done; of all others it is 1.
    pub tenant_weights: BTreeMap<TenantId, NonZeroU32>,
    /// A job whose worker gave no sign for so long is taken up by another.
    pub lease: Duration,
    /// Between two looks at what time has brought, and at what waits while nobody says that something does.
    pub look: Duration,
    /// How long the language model may take for what nobody waits for.
    pub completion: Duration,
    /// Jobs that ended so long ago are forgotten.
    pub kept: Duration,
    /// How long running jobs may take after the wish to stop.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers_interactive: 2,
            workers_background: 2,
            tenant_weights: BTreeMap::new(),
            lease: Duration::from_secs(10),
            look: Duration::from_millis(500),
            completion: Duration::from_secs(120),
            kept: Duration::from_secs(30 * 24 * 3600),
            drain: Duration::from_secs(10),
        }
    }
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        Self {
            workers_interactive: settings.kernel.workers_interactive as usize,
            workers_background: settings.kernel.workers_background as usize,
            tenant_weights: settings.kernel.tenant_weights.clone(),
            kept: settings.kernel.jobs_kept,
            ..Self::default()
        }
    }
}
