//! The support archive: what somebody who helps needs to see, and nothing that they must not.
//!
//! [`redact`] is the rule: of a log only what is shaped as a log line of ours or of a known server, and in it no quoted text,
//! no field that may hold words, no secret of the settings and nothing that looks like one. What it does not know, it leaves
//! out.

mod redact;
mod tar;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aether_supervisor::Layout;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use self::redact::Redactor;
use crate::Error;
use crate::doctor::check::services;
use crate::doctor::report::Report;
use crate::doctor::surroundings::Surroundings;
use crate::plan::{MORE_AGENTS, PARTS, SERVICES};

/// Of each log its end.
const LOG_BYTES: u64 = 256 << 10;
const VERSION_WITHIN: Duration = Duration::from_secs(3);

/// Makes the archive and puts it there, readable by its owner only.
pub async fn write(path: &Path, around: &Surroundings, report: &Report) -> Result<(), Error> {
    let redactor = Redactor::new(around.context.secrets());
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    files.insert("report.txt".to_owned(), redactor.text(&format!("{report}\n")));
    files.insert("report.json".to_owned(), redactor.json(&report.to_json()));
    files.insert("settings.json".to_owned(), redactor.json(&settings(around)));
    files.insert("versions.json".to_owned(), redactor.json(&versions(around).await));
    if let Some(running) = &around.running {
        let parts = serde_json::to_value(running).unwrap_or(Value::Null);
        files.insert("running.json".to_owned(), redactor.json(&parts));
        for part in running.parts.iter().filter(|part| part.service) {
            let health = services::health(&part.url).await.unwrap_or_else(|why| json!({ "error": why }));
            files.insert(format!("health/{}.json", part.report.name), redactor.json(&redact::values(&health)));
        }
    }
    for (name, log) in logs(around.context.layout()) {
        files.insert(format!("logs/{name}.log"), redactor.log(&end_of(&log)));
    }
    let archive = pack(&files).map_err(Error::io("the support archive can't be packed"))?;
    save(path, &archive).map_err(Error::io(format!("the support archive can't be written to {}", path.display())))
}

/// As `aether config` shows them.
fn settings(around: &Surroundings) -> Value {
    let rows: Vec<_> = around
        .rows
        .iter()
        .map(|row| json!({ "name": row.name, "env": row.env, "value": row.value, "source": row.source.as_str() }))
        .collect();
    let problems: Vec<_> = around.problems.iter().map(ToString::to_string).collect();
    json!({ "settings": rows, "problems": problems })
}

/// Of Aether, the system, and the programs that a start from here would use.
async fn versions(around: &Surroundings) -> Value {
    let layout = around.context.layout();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let system = read("/etc/os-release");
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let mut programs = BTreeMap::new();
    for (name, argument) in [
        ("nats-server", "--version"),
        ("redis-server", "--version"),
        ("livekit-server", "--version"),
        ("espeak-ng", "--version"),
        ("python3", "--version"),
    ] {
        programs.insert(
            name,
            match layout.program(name, "") {
                Ok(program) => version_of(&program, argument).await,
                Err(_) => "not found".to_owned(),
            },
        );
    }
    let postgres = layout.parts().join("postgres/bin/postgres");
    if postgres.is_file() {
        programs.insert("postgres", version_of(&postgres, "--version").await);
    }
    json!({
        "aether": env!("CARGO_PKG_VERSION"), "architecture": std::env::consts::ARCH, "system": system,
        "kernel": read("/proc/sys/kernel/osrelease"), "programs": programs,
    })
}

async fn version_of(program: &Path, argument: &str) -> String {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(VERSION_WITHIN, command.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned(),
        Ok(Err(error)) => format!("can't be run ({})", error.kind()),
        Err(_) => "does not say".to_owned(),
    }
}

/// Those of the parts and services; what lies beside them is of no use to others.
fn logs(layout: &Layout) -> Vec<(&'static str, PathBuf)> {
    let parts = PARTS.iter().map(|(name, ..)| *name);
    let names = parts.chain(SERVICES.iter().map(|(name, _)| *name)).chain(MORE_AGENTS);
    names.map(|name| (name, layout.log(name))).filter(|(_, path)| path.is_file()).collect()
}

fn end_of(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        let start = length.saturating_sub(LOG_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES).read_to_end(&mut bytes)?;
        // The first line is only half there.
        let cut =
            if start > 0 { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) } else { 0 };
        Ok(bytes.split_off(cut))
    };
    read().map_or_else(
        |error| format!("can't be read ({})", error.kind()),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

fn pack(files: &BTreeMap<String, String>) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for (name, text) in files {
        tar::file(&mut encoder, &format!("aether-support/{name}"), text.as_bytes())?;
    }
    tar::end(&mut encoder)?;
    encoder.finish()
}

fn save(path: &Path, archive: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(archive)
}
