//! Redis or Valkey: its version, whether it may throw away who holds a room, and whether it forgets everything at a restart.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aether_settings::RedisSettings;

use super::clock;
use crate::doctor::Section::Redis;
use crate::doctor::wire::redis::{Client, fields};
use crate::doctor::{Finding, Surroundings, numbers};

const OLDEST: u64 = 7;

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if let Some(nobody) = around.nobody_to_ask(Redis, "redis", "redis.url") {
        return vec![nobody];
    }
    let Ok(settings) = around.context.settings(RedisSettings::read) else {
        return vec![Redis.skipped("server", "its settings are wrong")];
    };
    let mut client = match Client::connect(settings.url.expose()).await {
        Ok(client) => client,
        Err(error) => return vec![around.unanswered(Redis, "redis.url", &error)],
    };
    let began = Instant::now();
    let info = match client.ask(&["INFO"]).await {
        Ok(info) => info,
        Err(error) => return vec![around.unanswered(Redis, "redis.url", &error)],
    };
    let took = began.elapsed();
    let mut findings = server(&info);
    if let Some(finding) = findings.first_mut() {
        *finding = finding.clone().with("round_trip_ms", numbers::milliseconds(took));
    }
    let before = SystemTime::now();
    if let Ok(time) = client.ask(&["TIME"]).await
        && let Some(theirs) = seconds(&time)
    {
        findings.push(clock::judge("Redis", clock::Reading { theirs, before, after: SystemTime::now(), grain: 0.0 }));
    }
    findings
}

fn server(info: &str) -> Vec<Finding> {
    let fields = fields(info);
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let (name, text) = match field("valkey_version") {
        "" => ("Redis", field("redis_version")),
        version => ("Valkey", version),
    };
    let found = format!("{name} {text}");
    let is_new = numbers::version(text).is_some_and(|version| version.first().is_some_and(|major| *major >= OLDEST));
    let mut findings = vec![if is_new {
        Redis.ok("version", found)
    } else {
        Redis.problem("version", found, format!("use Redis {OLDEST} or Valkey, or newer"))
    }];
    findings.push(match field("maxmemory_policy") {
        "" => Redis.skipped("eviction", "it does not say"),
        "noeviction" => Redis.ok("eviction", "nothing is thrown away when memory is short"),
        // Without a limit the policy is never used.
        policy if field("maxmemory") == "0" => Redis.ok("eviction", format!("{policy}, but memory is not limited")),
        policy => Redis.warning(
            "eviction",
            format!("{policy}: who holds a room may be thrown away when memory is short"),
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration",
        ),
    });
    findings.push(match (field("aof_enabled"), field("loading")) {
        (_, "1") => Redis.warning("persistence", "it is still loading its data", "wait, and look again"),
        ("1", _) if field("aof_last_write_status") == "err" => {
            Redis.problem("persistence", "its last write to the disk failed", "look at its log and at the disk")
        }
        ("1", _) => Redis.ok("persistence", "append-only file"),
        _ => Redis.warning(
            "persistence",
            "no append-only file: a restart forgets epochs of rooms and keys of idempotence",
            "CONFIG SET appendonly yes, and the same in its configuration",
        ),
    });
    if field("role") == "slave" {
        findings.push(Redis.problem(
            "role",
            "it is a replica, which takes no writes",
            "let REDIS_URL name its primary",
        ));
    }
    findings
}

/// `TIME`: seconds and microseconds, a line each.
fn seconds(time: &str) -> Option<f64> {
    let (seconds, micros) = time.split_once('\n')?;
    Some(seconds.parse::<f64>().ok()? + micros.parse::<f64>().ok()? / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_server_is_judged_by_what_it_could_lose() {
        let info = |version: &str, policy: &str, limit: &str, aof: &str, role: &str| {
            format!(
                "redis_version:{version}\r\nmaxmemory_policy:{policy}\r\nmaxmemory:{limit}\r\naof_enabled:{aof}\r\nrole:{role}\r\n"
            )
        };
        for (info, subject, status) in [
            (info("7.0.15", "noeviction", "0", "1", "master"), "version", Status::Ok),
            (info("6.2.1", "noeviction", "0", "1", "master"), "version", Status::Problem),
            (info("7.0.15", "allkeys-lru", "1000", "1", "master"), "eviction", Status::Warning),
            (info("7.0.15", "allkeys-lru", "0", "1", "master"), "eviction", Status::Ok),
            (info("7.0.15", "noeviction", "0", "0", "master"), "persistence", Status::Warning),
            (info("7.0.15", "noeviction", "0", "1", "slave"), "role", Status::Problem),
            (String::new(), "version", Status::Problem),
        ] {
            let findings = server(&info);
            let finding = findings.iter().find(|finding| finding.subject == subject).unwrap();
            assert_eq!(finding.status, status, "{info}");
        }
        assert_eq!(server("redis_version:7.2.4\r\nvalkey_version:8.0.1")[0].found, "Valkey 8.0.1");
    }

    #[test]
    fn its_time_is_two_numbers() {
        assert_eq!(seconds("1796000523\n500000"), Some(1_796_000_523.5));
        assert_eq!(seconds("now"), None);
    }
}
