//! The memory plan: what the chosen models take, what there is, and what would fit beside it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use aether_models::{Kind, ModelStore};
use aether_settings::{LlmSettings, SpeechSettings};

use super::graphics;
use crate::doctor::Section::Hardware;
use crate::doctor::{Finding, Surroundings, numbers};

/// The six services, Postgres, Redis, NATS and LiveKit without their models, as they were measured after some turns.
const SERVICES: u64 = 700_000_000;
/// What a model takes beside its file: buffers and, for a language model, what it keeps of four conversations.
const WHISPER_BUFFERS: u64 = 150_000_000;
const LLM_BUFFERS: u64 = 700_000_000;
/// What the system keeps for itself and its cache.
const RESERVE: u64 = 500_000_000;
/// What language models of so many billions of parameters take at four bits, with a context of 4096 tokens.
const SIZES: [(&str, u64); 8] = [
    ("0.5", 1_000_000_000),
    ("1.5", 1_800_000_000),
    ("3", 3_000_000_000),
    ("8", 6_500_000_000),
    ("14", 11_000_000_000),
    ("32", 22_000_000_000),
    ("70", 45_000_000_000),
    ("120", 75_000_000_000),
];

/// What is to be loaded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    whisper: u64,
    /// Of the server that `aether up` starts; another one's is its own matter.
    llm: u64,
}

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let Some(available) = available() else {
        return vec![Hardware.skipped("memory", "the kernel does not tell about it")];
    };
    let store = ModelStore::new(around.context.layout().models());
    let size = |id: &str| store.manifest().model(id).map_or(0, aether_models::Model::size);
    let whisper =
        around.context.settings(SpeechSettings::read).map_or(0, |speech| size(&speech.whisper_model) + WHISPER_BUFFERS);
    let llm = match around.context.settings(LlmSettings::read) {
        Ok(llm) if around.starts("llm", "llm.endpoint") => size(&llm.model) + LLM_BUFFERS,
        _ => 0,
    };
    let used = around.running.as_ref().map(|running| used_by(running.pid));
    let mut findings = vec![plan(Need { whisper, llm }, available, used)];
    let spare = spare(Need { whisper, llm }, available, used);
    let others = store.manifest().models().filter(|model| matches!(model.kind, Kind::Stt));
    let fitting: Vec<_> = others
        .filter(|model| model.size() + WHISPER_BUFFERS < spare + whisper)
        .map(|model| model.id.as_str())
        .collect();
    findings.push(Hardware.ok(
        "fits: hearing",
        if fitting.is_empty() { "none of the models there are".to_owned() } else { fitting.join(", ") },
    ));
    findings.push(
        Hardware.ok("fits: thinking", largest(spare + llm, "in memory")).with("spare_bytes", (spare + llm) as f64),
    );
    if let Ok(gpus) = graphics::ask().await {
        findings.extend(gpus.iter().map(|gpu| {
            Hardware
                .ok("fits: thinking", largest(gpu.free_bytes, "on the GPU"))
                .with("spare_bytes", gpu.free_bytes as f64)
        }));
    }
    findings
}

/// What is still to be had with everything loaded.
fn spare(need: Need, available: u64, used: Option<u64>) -> u64 {
    let to_come = used.map_or(need.whisper + need.llm + SERVICES, |_| 0);
    available.saturating_sub(to_come + RESERVE)
}

fn plan(need: Need, available: u64, used: Option<u64>) -> Finding {
    let free = numbers::bytes(available);
    let Some(used) = used else {
        let needed = need.whisper + need.llm + SERVICES;
        let found = format!("about {} are needed, {free} are to be had", numbers::bytes(needed));
        let finding = if needed > available {
            Hardware.problem("memory", found, "end other programs, or choose smaller models (WHISPER_MODEL, LLM_MODEL)")
        } else if needed + RESERVE > available {
            Hardware.warning("memory", found, "end other programs, or choose smaller models (WHISPER_MODEL, LLM_MODEL)")
        } else {
            Hardware.ok("memory", found)
        };
        return finding.with("needed_bytes", needed as f64).with("available_bytes", available as f64);
    };
    let found = format!("{} are in use by what runs here, {free} are to be had", numbers::bytes(used));
    let finding = if available < RESERVE {
        Hardware.warning("memory", found, "end other programs, or choose smaller models (WHISPER_MODEL, LLM_MODEL)")
    } else {
        Hardware.ok("memory", found)
    };
    finding.with("used_bytes", used as f64).with("available_bytes", available as f64)
}

fn largest(spare: u64, place: &str) -> String {
    match SIZES.iter().rev().find(|(_, bytes)| *bytes <= spare) {
        Some((billions, _)) => format!("a language model of up to {billions} billion parameters at four bits, {place}"),
        None => format!("no language model {place}: {} are left", numbers::bytes(spare)),
    }
}

/// What this process could have: the machine's, or less where a container has a limit.
fn available() -> Option<u64> {
    let machine = mem_available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let limit =
        |name: &str| fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse::<u64>().ok();
    let container = limit("memory.max").map(|most| most.saturating_sub(limit("memory.current").unwrap_or(0)));
    Some(container.map_or(machine, |container| container.min(machine)))
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// The memory of a process and of all that it started; what they share counts once.
fn used_by(root: u32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let ours = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| super::sockets::descends_from(*pid, root));
    ours.filter_map(|pid| proportional(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)).sum()
}

fn proportional(smaps: &str) -> Option<u64> {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn a_plan_fits_or_does_not() {
        let need = Need { whisper: GB / 2, llm: GB };
        for (available, used, status) in [
            (8 * GB, None, Status::Ok),
            (5 * GB / 2, None, Status::Warning),
            (GB, None, Status::Problem),
            (8 * GB, Some(2 * GB), Status::Ok),
            (GB / 4, Some(2 * GB), Status::Warning),
        ] {
            assert_eq!(plan(need, available, used).status, status, "{available}");
        }
        // What runs has its memory already.
        assert!(spare(need, 8 * GB, Some(2 * GB)) > spare(need, 8 * GB, None));
        assert_eq!(spare(need, GB, None), 0);
    }

    #[test]
    fn the_largest_model_is_named_by_its_parameters() {
        assert_eq!(
            largest(7 * GB, "in memory"),
            "a language model of up to 8 billion parameters at four bits, in memory"
        );
        assert_eq!(largest(GB / 2, "on the GPU"), "no language model on the GPU: 500 MB are left");
    }

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(mem_available("MemTotal: 10 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(mem_available(""), None);
        assert_eq!(proportional("Rss: 9 kB\nPss:    1024 kB\nPss_Dirty: 1 kB\n"), Some(1 << 20));
        assert!(used_by(std::process::id()) > 1 << 20);
    }
}
