use std::time::Duration;

use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&INTERACTIVE, &BACKGROUND, &KEPT];

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

const KEPT: Setting = Setting {
    key: "kernel.jobs_kept_days",
    env: &["AETHER_JOBS_KEPT_DAYS"],
    default: Some("30"),
    shown: Shown::All,
    about: "days after which jobs that have ended are forgotten",
};

/// How many jobs the scheduler does at once, and how long it keeps those that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSettings {
    pub workers_interactive: u32,
    pub workers_background: u32,
    pub jobs_kept: Duration,
}

impl KernelSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let interactive = loader.required(&INTERACTIVE, |text| value::integer(text, 1..=256));
        let background = loader.required(&BACKGROUND, |text| value::integer(text, 1..=256));
        let kept = loader.required(&KEPT, |text| value::integer(text, 1..=36_500));
        Ok(Self {
            workers_interactive: interactive?,
            workers_background: background?,
            jobs_kept: Duration::from_secs(u64::from(kept?) * 24 * 3600),
        })
    }
}
