use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use aether_proto::TenantId;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&INTERACTIVE, &BACKGROUND, &WEIGHTS, &KEPT];

const INTERACTIVE: Setting = Setting {
    key: "kernel.workers_interactive",
    env: &["AETHER_KERNEL_WORKERS_INTERACTIVE"],
    default: Some("2"),
    shown: Shown::All,
    about: "jobs that somebody waits for, done at the same time by one scheduler process",
};
const BACKGROUND: Setting = Setting {
    key: "kernel.workers_background",
    env: &["AETHER_KERNEL_WORKERS_BACKGROUND"],
    default: Some("2"),
    shown: Shown::All,
    about: "jobs that nobody waits for, done at the same time by one scheduler process",
};
const WEIGHTS: Setting = Setting {
    key: "kernel.tenant_weights",
    env: &["AETHER_KERNEL_TENANT_WEIGHTS"],
    default: None,
    shown: Shown::All,
    about: "how many times as much as others a tenant gets done where there is too much to do: acme=3,other=2; by default 1",
};
const KEPT: Setting = Setting {
    key: "kernel.jobs_kept_days",
    env: &["AETHER_JOBS_KEPT_DAYS"],
    default: Some("30"),
    shown: Shown::All,
    about: "days after which jobs that have ended are forgotten",
};

/// How many jobs the scheduler does at once, and how long it keeps those that have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSettings {
    pub workers_interactive: u32,
    pub workers_background: u32,
    /// Of all others it is 1.
    pub tenant_weights: BTreeMap<TenantId, NonZeroU32>,
    pub jobs_kept: Duration,
}

impl KernelSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let interactive = loader.required(&INTERACTIVE, |text| value::integer(text, 1..=256));
        let background = loader.required(&BACKGROUND, |text| value::integer(text, 1..=256));
        let weights = loader.optional(&WEIGHTS, tenant_weights);
        let kept = loader.required(&KEPT, |text| value::integer(text, 1..=36_500));
        Ok(Self {
            workers_interactive: interactive?,
            workers_background: background?,
            tenant_weights: weights?.unwrap_or_default(),
            jobs_kept: Duration::from_secs(u64::from(kept?) * 24 * 3600),
        })
    }
}

fn tenant_weights(text: &str) -> Result<BTreeMap<TenantId, NonZeroU32>, String> {
    let weight = |pair: &str| {
        let (tenant, weight) = pair.split_once('=')?;
        Some((TenantId::new(tenant.trim()).ok()?, weight.trim().parse().ok()?))
    };
    let pairs = text.split(',').map(weight).collect::<Option<_>>();
    pairs.ok_or_else(|| "tenants with a whole number from 1 on each, such as acme=3,other=2".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_or_it_is_said_how_they_are_written() {
        let weights = tenant_weights("acme=3, other = 2").unwrap();
        let weights: Vec<_> = weights.iter().map(|(tenant, weight)| (tenant.as_str(), weight.get())).collect();
        assert_eq!(weights, [("acme", 3), ("other", 2)]);
        for wrong in ["acme", "acme=0", "acme=-1", "=3", "acme=3,", "acme=many"] {
            assert!(tenant_weights(wrong).unwrap_err().contains("acme=3"), "{wrong}");
        }
    }
}
