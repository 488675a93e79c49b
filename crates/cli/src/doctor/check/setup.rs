//! What must be there before anything can be started: settings that make sense, programs, libraries, the page.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aether_settings::{GatewaySettings, HomeSettings, HttpSettings, Problem, SpeechSettings};
use url::Url;

use crate::doctor::Section::Setup;
use crate::doctor::wire::place;
use crate::doctor::{Finding, Surroundings};
use crate::plan::SERVICES;

const SETUP: &str = "run scripts/setup, which fetches what is missing";

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let mut findings = vec![running(&around)];
    findings.extend(settings(&around));
    findings.extend(programs(&around));
    findings.extend(page(&around));
    findings
}

fn running(around: &Surroundings) -> Finding {
    let Some(running) = &around.running else {
        return Setup.warning(
            "aether",
            "does not run from this folder, so much can't be looked at",
            "start it with `aether up` or scripts/run, and look again",
        );
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let minutes = now.saturating_sub(running.started_at) / 60;
    let found = format!("{} has been running for {minutes} min (process {})", env!("CARGO_PKG_VERSION"), running.pid);
    Setup.ok("aether", found)
}

fn settings(around: &Surroundings) -> Vec<Finding> {
    // What only `aether up` can say is missing until it runs; that is nobody's mistake.
    let wrong = around.problems.iter().filter(|problem| !matches!(problem, Problem::Missing { .. }));
    let findings: Vec<_> = wrong
        .map(|problem| Setup.problem("settings", problem.to_string(), "correct it; `aether config` shows all"))
        .collect();
    if findings.is_empty() { vec![Setup.ok("settings", "make sense; `aether config` shows them")] } else { findings }
}

/// The programs and libraries that a start from here would need.
fn programs(around: &Surroundings) -> Vec<Finding> {
    let layout = around.context.layout();
    let mut missing = Vec::new();
    for (part, key, program) in [
        ("nats", "nats.url", "nats-server"),
        ("redis", "redis.url", "redis-server"),
        ("livekit", "livekit.url", "livekit-server"),
        ("llm", "llm.endpoint", "python3"),
    ] {
        if around.starts(part, key) && layout.program(program, "").is_err() {
            missing.push(program.to_owned());
        }
    }
    let mut need = |is_needed: bool, path: PathBuf| {
        if is_needed && !path.exists() {
            missing.push(path.display().to_string());
        }
    };
    need(around.starts("postgres", "postgres.url"), layout.parts().join("postgres/bin/postgres"));
    need(around.starts("llm", "llm.endpoint"), layout.parts().join("python/xllamacpp"));
    let home = HomeSettings { home: layout.home().to_owned() };
    need(true, home.onnxruntime());
    need(true, home.livekit_ffi());
    let mut findings = Vec::new();
    let espeak = around.context.settings(SpeechSettings::read).ok().map(|speech| speech.espeak);
    let is_there =
        espeak.is_some_and(|espeak| espeak.is_file() || layout.program(&espeak.to_string_lossy(), "").is_ok());
    findings.push(if is_there {
        Setup.ok("espeak-ng", "is there")
    } else {
        Setup.problem(
            "espeak-ng",
            "is not installed: the voice can't read words",
            "apt-get install espeak-ng, or run scripts/setup, or set AETHER_ESPEAK",
        )
    });
    findings.push(if missing.is_empty() {
        Setup.ok("parts", "servers and libraries are there")
    } else {
        Setup.problem("parts", format!("missing: {}", missing.join(", ")), SETUP)
    });
    let own = std::env::current_exe().unwrap_or_default();
    let absent: Vec<_> =
        SERVICES.iter().map(|(_, file)| *file).filter(|file| !own.with_file_name(file).is_file()).collect();
    findings.push(if absent.is_empty() {
        Setup.ok("programs", "all six services are built")
    } else {
        Setup.problem(
            "programs",
            format!("not built beside this one: {}", absent.join(", ")),
            "cargo build, or scripts/setup",
        )
    });
    findings
}

/// Whether people get the page, and their browsers what the page needs.
fn page(around: &Surroundings) -> Vec<Finding> {
    let Ok(gateway) = around.context.settings(GatewaySettings::read) else { return Vec::new() };
    let folder =
        gateway.web.clone().unwrap_or_else(|| HomeSettings { home: around.context.layout().home().to_owned() }.web());
    let mut findings = vec![if folder.join("index.html").is_file() {
        Setup.ok("page", "is built")
    } else {
        Setup.warning("page", "is not built: the API works, browsers see nothing", "scripts/setup")
    }];
    let livekit = around.rows.iter().find(|row| row.name == "livekit.url").and_then(|row| row.value.clone());
    let livekit = gateway.livekit_public_url.as_ref().map(|url| url.to_string()).or(livekit).unwrap_or_default();
    let bind = around.context.settings(HttpSettings::gateway).ok().map(|http| http.bind.ip().is_loopback());
    findings.extend(browsers(&gateway.public_url.to_string(), &livekit, bind.unwrap_or(true)));
    findings
}

/// What browsers on other machines trip over. Addresses without passwords.
fn browsers(public: &str, livekit: &str, is_hidden: bool) -> Vec<Finding> {
    let is_here = |url: &str| {
        let (host, _) = place(url, 0);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let scheme = |url: &str| Url::parse(url).map(|url| url.scheme().to_owned()).unwrap_or_default();
    let mut findings = Vec::new();
    if is_here(public) {
        if !is_hidden {
            findings.push(Setup.warning(
                "page elsewhere",
                "the gateway listens to other machines, whose browsers would be sent back to themselves",
                "set AETHER_PUBLIC_URL to the https address under which they see it",
            ));
        }
        return findings;
    }
    if scheme(public) != "https" {
        findings.push(Setup.warning(
            "page elsewhere",
            format!("{public} is not encrypted: browsers give it no microphone"),
            "put a proxy with a certificate before it and set AETHER_PUBLIC_URL to https://…",
        ));
    }
    if is_here(livekit) {
        findings.push(Setup.warning(
            "page elsewhere",
            format!("browsers on other machines can't reach LiveKit at {livekit}"),
            "set LIVEKIT_PUBLIC_URL to the wss address under which they see it",
        ));
    } else if scheme(public) == "https" && matches!(scheme(livekit).as_str(), "ws" | "http") {
        findings.push(Setup.warning(
            "page elsewhere",
            format!("an encrypted page may not speak to {livekit}"),
            "set LIVEKIT_PUBLIC_URL to a wss address",
        ));
    }
    if findings.is_empty() {
        findings.push(Setup.ok("page elsewhere", format!("{public} is encrypted, and so is LiveKit")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn browsers_elsewhere_need_encryption_and_an_address() {
        let local = "ws://127.0.0.1:7880";
        for (public, livekit, is_hidden, expected) in [
            ("http://localhost:8000", local, true, vec![]),
            ("http://localhost:8000", local, false, vec![Status::Warning]),
            ("http://192.0.2.1:8000", local, false, vec![Status::Warning, Status::Warning]),
            ("https://aether.example", local, true, vec![Status::Warning]),
            ("https://aether.example", "ws://livekit.example", true, vec![Status::Warning]),
            ("https://aether.example", "wss://livekit.example", true, vec![Status::Ok]),
        ] {
            let found: Vec<_> = browsers(public, livekit, is_hidden).iter().map(|finding| finding.status).collect();
            assert_eq!(found, expected, "{public} {livekit}");
        }
    }
}
