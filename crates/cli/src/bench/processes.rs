//! What the parts' processes take of the machine, as the kernel counts it.

use std::{collections::BTreeMap, fs};

use serde::Serialize;

/// The kernel counts processor time in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time used until now, by part, in seconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Processor(pub(super) BTreeMap<String, f64>);

impl Processor {
    /// Of the parts with these names and process ids, with the children of each.
    pub(super) fn now(parts: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut used = BTreeMap::<u32, f64>::new();
        for Process { pid, parent, seconds } in processes() {
            *used.entry(pid).or_default() += seconds;
            // Postgres works in children of its own.
            *used.entry(parent).or_default() += seconds;
        }
        Self(parts.into_iter().filter_map(|(name, pid)| Some((name, *used.get(&pid)?))).collect())
    }

    pub(super) fn add(&mut self, before: &Self, after: &Self) {
        for (name, seconds) in &after.0 {
            *self.0.entry(name.clone()).or_default() += seconds - before.0.get(name).copied().unwrap_or(*seconds);
        }
    }
}

/// Memory that a process holds right now, in bytes; `None` when it is gone.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

struct Process {
    pid: u32,
    parent: u32,
    seconds: f64,
}

fn processes() -> impl Iterator<Item = Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(folder.path().join("stat")).ok()?;
        // The name in parentheses may hold anything.
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Process { pid, parent: fields.get(1)?.parse().ok()?, seconds: ticks / TICKS_PER_SECOND })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_counted_and_one_that_is_gone_is_not() {
        let (me, nobody) = (std::process::id(), u32::MAX);
        let used = Processor::now([("me".to_owned(), me), ("nobody".to_owned(), nobody)]);
        assert_eq!(used.0.keys().collect::<Vec<_>>(), ["me"]);
        assert!(resident(me).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(resident(nobody), None);
    }
}
