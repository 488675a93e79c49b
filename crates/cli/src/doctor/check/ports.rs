//! The ports that Aether and its parts listen on: free, ours, or whose.

use std::net::SocketAddr;
use std::sync::Arc;

use aether_settings::HttpSettings;
use aether_supervisor::Port;

use super::sockets::{Holder, Sockets, descends_from};
use crate::doctor::Section::Ports;
use crate::doctor::{Finding, Surroundings};
use crate::plan;

/// A port, who needs it, and how to do without.
struct Wanted {
    by: &'static str,
    port: Port,
    instead: String,
}

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let looking = tokio::task::spawn_blocking(move || {
        let sockets = Sockets::read();
        let mut findings: Vec<_> = wanted(&around).iter().map(|wanted| judge(wanted, &sockets, &around)).collect();
        findings.extend(receive_buffer());
        findings
    });
    looking.await.unwrap_or_default()
}

/// Those of the parts that `aether up` starts, and of the services.
fn wanted(around: &Surroundings) -> Vec<Wanted> {
    let mut all = Vec::new();
    for (by, key, variable, ports) in plan::PARTS {
        // A Postgres of one's own is known by its owner, too.
        let is_used = by == "postgres" && around.is_chosen("postgres.owner_url");
        if around.starts(by, key) && !is_used {
            let instead = format!("set {variable} to a server of your own");
            all.extend(ports.iter().map(|port| Wanted { by, port: *port, instead: instead.clone() }));
        }
    }
    let binds: [(&str, &str, Option<SocketAddr>); 6] = [
        ("gateway", "AETHER_GATEWAY_BIND", around.context.settings(HttpSettings::gateway).ok().map(|http| http.bind)),
        ("agent", "AETHER_AGENT_BIND", around.context.settings(HttpSettings::agent).ok().map(|http| http.bind)),
        ("brain", "AETHER_BRAIN_BIND", around.context.settings(HttpSettings::brain).ok().map(|http| http.bind)),
        ("tts", "AETHER_TTS_BIND", around.context.settings(HttpSettings::tts).ok().map(|http| http.bind)),
        (
            "scheduler",
            "AETHER_SCHEDULER_BIND",
            around.context.settings(HttpSettings::scheduler).ok().map(|http| http.bind),
        ),
        (
            "notifier",
            "AETHER_NOTIFIER_BIND",
            around.context.settings(HttpSettings::notifier).ok().map(|http| http.bind),
        ),
    ];
    for (by, variable, bind) in binds {
        let port = bind.map(|bind| Port::Tcp(bind.port()));
        all.extend(port.map(|port| Wanted { by, port, instead: format!("set {variable}=127.0.0.1:PORT") }));
    }
    all
}

/// What is known about whoever holds a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenant<'a> {
    Nobody,
    /// A process that our own `aether up` started.
    Ours(u32),
    Other(&'a Holder),
    /// It can't be bound, and nobody is seen to hold it.
    Hidden,
}

fn judge(wanted: &Wanted, sockets: &Sockets, around: &Surroundings) -> Finding {
    let holder = match wanted.port {
        Port::Tcp(port) => sockets.tcp(port),
        Port::Udp(port) => sockets.udp(port),
    };
    let tenant = match (holder, &around.running) {
        (Some(holder), Some(running)) => match &holder.process {
            Some(process) if descends_from(process.pid, running.pid) => Tenant::Ours(process.pid),
            _ => Tenant::Other(holder),
        },
        (Some(holder), None) => Tenant::Other(holder),
        (None, _) if wanted.port.check(wanted.by, "").is_err() => Tenant::Hidden,
        (None, _) => Tenant::Nobody,
    };
    tell(wanted, tenant, around.is_up())
}

fn tell(wanted: &Wanted, tenant: Tenant<'_>, is_up: bool) -> Finding {
    let Wanted { by, port, instead } = wanted;
    let subject = format!("{port} ({by})");
    match (tenant, is_up) {
        (Tenant::Ours(pid), _) => Ports.ok(subject, format!("ours (process {pid})")),
        (Tenant::Nobody, false) => Ports.ok(subject, "free"),
        (Tenant::Nobody, true) => {
            Ports.problem(subject, format!("nothing listens, and {by} should"), "look at `aether status`")
        }
        (Tenant::Hidden, _) => {
            Ports.problem(subject, "taken, by whom can't be seen from here", format!("stop that program, or {instead}"))
        }
        (Tenant::Other(Holder { user, process }), _) => {
            let whose = match process {
                Some(process) if process.name.starts_with("aether") => {
                    let found = format!("taken by {} (process {}) of another Aether", process.name, process.pid);
                    return Ports.problem(
                        subject,
                        found,
                        format!("stop the `aether up` that runs elsewhere, or {instead}"),
                    );
                }
                Some(process) => format!("{} (process {})", process.name, process.pid),
                None => format!("a program of the user with number {user}"),
            };
            Ports.problem(subject, format!("taken by {whose}"), format!("stop it, or {instead}"))
        }
    }
}

/// What the kernel lets a server of media keep while it is busy; LiveKit asks for 5 MB.
fn receive_buffer() -> Option<Finding> {
    let most: f64 = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok()?.trim().parse().ok()?;
    let found = if most < 5e6 {
        format!("at most {:.0} kB; for many rooms at once: sysctl -w net.core.rmem_max=5000000", most / 1000.0)
    } else {
        format!("up to {:.1} MB", most / 1e6)
    };
    Some(Ports.ok("UDP receive buffer", found).with("bytes", most))
}

#[cfg(test)]
mod tests {
    use super::super::sockets::Process;
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_port_is_free_ours_or_somebodys() {
        let wanted = Wanted { by: "redis", port: Port::Tcp(6379), instead: "set REDIS_URL".to_owned() };
        let holder = |name: Option<&str>| Holder {
            user: 1000,
            process: name.map(|name| Process { pid: 7, name: name.to_owned() }),
        };
        let (redis, hidden, aether) = (holder(Some("redis-server")), holder(None), holder(Some("aether-gateway")));
        for (tenant, is_up, status, found) in [
            (Tenant::Nobody, false, Status::Ok, "free"),
            (Tenant::Nobody, true, Status::Problem, "nothing listens, and redis should"),
            (Tenant::Ours(7), true, Status::Ok, "ours (process 7)"),
            (Tenant::Hidden, false, Status::Problem, "taken, by whom can't be seen from here"),
            (Tenant::Other(&redis), false, Status::Problem, "taken by redis-server (process 7)"),
            (Tenant::Other(&hidden), true, Status::Problem, "taken by a program of the user with number 1000"),
            (Tenant::Other(&aether), false, Status::Problem, "taken by aether-gateway (process 7) of another Aether"),
        ] {
            let finding = tell(&wanted, tenant, is_up);
            assert_eq!((finding.status, finding.found.as_str()), (status, found));
            assert_eq!(finding.subject, "port 6379 (redis)");
        }
    }
}
