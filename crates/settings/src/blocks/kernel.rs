use crate::{Invalid, Loader, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&INTERACTIVE, &BACKGROUND];

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

/// How many jobs the scheduler does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSettings {
    pub workers_interactive: u32,
    pub workers_background: u32,
}

impl KernelSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let interactive = loader.required(&INTERACTIVE, |text| value::integer(text, 1..=256));
        let background = loader.required(&BACKGROUND, |text| value::integer(text, 1..=256));
        Ok(Self { workers_interactive: interactive?, workers_background: background? })
    }
}
