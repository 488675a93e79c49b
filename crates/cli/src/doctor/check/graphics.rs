//! The processor, and a GPU with its driver where there is one.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::doctor::Section::Hardware;
use crate::doctor::{Finding, Surroundings, numbers};

const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// What the servers and models here are built for.
const NEEDED: [&str; 3] = ["avx2", "fma", "f16c"];
/// Of the driver; CUDA 13 needs it, of which Whisper and the voice are built.
const OLDEST_DRIVER: u64 = 580;
const QUERY: [&str; 2] = ["--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader,nounits"];

/// A GPU as its driver tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    pub name: String,
    pub driver: String,
    pub total_bytes: u64,
    pub free_bytes: u64,
}

pub async fn look(_around: Arc<Surroundings>) -> Vec<Finding> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut findings = vec![processor(&cpu, cores)];
    let kernel = fs::read_to_string("/proc/driver/nvidia/version").ok();
    let is_there = kernel.is_some() || fs::exists("/dev/nvidiactl").unwrap_or(false);
    match ask().await {
        Ok(gpus) if !gpus.is_empty() => findings.extend(gpus.iter().map(judge)),
        _ if !is_there => findings.push(Hardware.ok("GPU", "none, and none is needed")),
        answer => {
            let why = answer.err().unwrap_or_else(|| "it names none".to_owned());
            let found = format!("its driver is loaded, but nvidia-smi does not tell about it ({why})");
            findings.push(Hardware.warning(
                "GPU",
                found,
                "install the driver's own nvidia-smi of the same version, or restart after an update",
            ));
        }
    }
    findings
}

/// Whatever `nvidia-smi` says.
pub async fn ask() -> Result<Vec<Gpu>, String> {
    let mut command = Command::new("nvidia-smi");
    command.args(QUERY).kill_on_drop(true);
    let output = timeout(ANSWER_WITHIN, command.output()).await.map_err(|_| "it does not answer".to_owned())?;
    let output = output.map_err(|error| error.kind().to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("it fails").to_owned());
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(text: &str) -> Vec<Gpu> {
    let mebibytes = |text: &str| text.parse::<u64>().ok().map(|count| count << 20);
    text.lines()
        .filter_map(|line| {
            let mut fields = line.rsplitn(4, ',').map(str::trim);
            let (free, total, driver) = (fields.next()?, fields.next()?, fields.next()?);
            let name = fields.next()?.to_owned();
            Some(Gpu { name, driver: driver.to_owned(), total_bytes: mebibytes(total)?, free_bytes: mebibytes(free)? })
        })
        .collect()
}

fn judge(gpu: &Gpu) -> Finding {
    let Gpu { name, driver, total_bytes, free_bytes } = gpu;
    let found =
        format!("{name}, driver {driver}, {} of {} free", numbers::bytes(*free_bytes), numbers::bytes(*total_bytes));
    let is_old =
        numbers::version(driver).is_some_and(|version| version.first().is_some_and(|major| *major < OLDEST_DRIVER));
    let finding = if is_old {
        Hardware.warning("GPU", found, format!("install driver {OLDEST_DRIVER} or newer: CUDA 13 needs it"))
    } else {
        Hardware.ok("GPU", found)
    };
    finding.with("free_bytes", *free_bytes as f64).with("total_bytes", *total_bytes as f64)
}

fn processor(cpu: &str, cores: usize) -> Finding {
    let field = |name: &str| {
        cpu.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value.trim()))
    };
    let model = field("model name").unwrap_or("of an unknown kind");
    let found = format!("{model}, {cores} cores for this process");
    let flags: Vec<_> = field("flags").unwrap_or_default().split_whitespace().collect();
    let missing: Vec<_> = NEEDED.into_iter().filter(|flag| !flags.contains(flag)).collect();
    // Other architectures have no such flags, and are told by their programs what they lack.
    let finding = if !flags.is_empty() && !missing.is_empty() {
        Hardware.problem(
            "processor",
            format!("{found}, without {}", missing.join(", ")),
            "use a machine with AVX2: the models' programs need it",
        )
    } else if cores < 2 {
        Hardware.warning("processor", found, "give it two cores or more: hearing and thinking overlap")
    } else {
        Hardware.ok("processor", found)
    };
    finding.with("cores", cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn what_nvidia_smi_says_is_read_from_the_right() {
        let gpus =
            parse("NVIDIA H200, 580.65.06, 143771, 143200\nOdd, name, 470.1, 8192, 4096\nNo devices were found\n");
        assert_eq!(gpus.len(), 2);
        assert_eq!((gpus[0].name.as_str(), gpus[0].total_bytes), ("NVIDIA H200", 143_771 << 20));
        assert_eq!((gpus[1].name.as_str(), gpus[1].driver.as_str()), ("Odd, name", "470.1"));
        assert_eq!((judge(&gpus[0]).status, judge(&gpus[1]).status), (Status::Ok, Status::Warning));
    }

    #[test]
    fn a_processor_needs_what_the_programs_are_built_for() {
        let cpu = |flags: &str| format!("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: {flags}\n");
        for (cpu, cores, status) in [
            (cpu("fpu avx2 fma f16c"), 2, Status::Ok),
            (cpu("fpu avx2 fma f16c"), 1, Status::Warning),
            (cpu("fpu avx"), 8, Status::Problem),
            (String::new(), 4, Status::Ok),
        ] {
            assert_eq!(processor(&cpu, cores).status, status, "{cpu}");
        }
    }
}
