//! NATS: its version, whether JetStream is on and has room, and whether our streams and services are there.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aether_settings::NatsSettings;
use serde_json::{Value, json};

use super::clock;
use crate::doctor::Section::Nats;
use crate::doctor::wire::nats::Client;
use crate::doctor::{Finding, Surroundings, numbers};

/// What the services are written for.
const OLDEST: [u64; 2] = [2, 10];
/// What the two streams may hold together: a gibibyte of turns, a quarter of one of events.
const WANTED_STORAGE: i64 = (1 << 30) + (256 << 20);
/// On the same machine it takes a tenth of this.
const SLOW_ROUND_TRIP: Duration = Duration::from_millis(5);
const STREAMS: [&str; 2] = ["TURNS", "EVENTS"];

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if let Some(nobody) = around.nobody_to_ask(Nats, "nats", "nats.url") {
        return vec![nobody];
    }
    let Ok(settings) = around.context.settings(NatsSettings::read) else {
        return vec![Nats.skipped("server", "its settings are wrong")];
    };
    let password = settings.password.as_ref().map(|password| password.expose());
    let connected = Client::connect(settings.url.expose(), settings.user.as_deref(), password).await;
    let mut client = match connected {
        Ok(client) => client,
        Err(error) => return vec![around.unanswered(Nats, "nats.url", &error)],
    };
    let mut findings = vec![version(&client.info)];
    let (began, before) = (Instant::now(), SystemTime::now());
    let account = match client.ask("$JS.API.INFO", &Value::Null).await {
        Ok(account) => account,
        Err(error) => {
            let found = format!("does not answer ({error})");
            findings.push(Nats.problem(
                "JetStream",
                found,
                "start nats-server with --jetstream, or let this user use $JS.API",
            ));
            return findings;
        }
    };
    // The first question finds nothing in any cache.
    let mut took = began.elapsed();
    for _ in 0..2 {
        let began = Instant::now();
        if client.ask("$JS.API.INFO", &Value::Null).await.is_ok() {
            took = took.min(began.elapsed());
        }
    }
    findings.push(round_trip(took));
    findings.push(jetstream(&account));
    for stream in STREAMS {
        let answer = client.ask(&format!("$JS.API.STREAM.INFO.{stream}"), &json!({})).await;
        let answer = answer.unwrap_or_else(|error| json!({ "error": { "description": error.to_string() } }));
        if let Some(theirs) = answer["ts"].as_str().and_then(numbers::rfc3339) {
            let reading = clock::Reading { theirs, before, after: SystemTime::now(), grain: 0.0 };
            findings.retain(|finding| finding.section != crate::doctor::Section::Clock);
            findings.push(clock::judge("NATS", reading));
        }
        findings.push(stream_found(stream, &answer, around.is_up()));
    }
    findings
}

fn version(info: &Value) -> Finding {
    let version = info["version"].as_str().unwrap_or_default();
    let found = format!("nats-server {version}");
    if numbers::version(version).is_none_or(|version| version < OLDEST.to_vec()) {
        return Nats.problem("version", found, "use 2.10 or newer: older ones lack what the streams need");
    }
    Nats.ok("version", found)
}

fn round_trip(took: Duration) -> Finding {
    let milliseconds = took.as_secs_f64() * 1000.0;
    let found = format!("answers after {milliseconds:.1} ms");
    let finding = if took > SLOW_ROUND_TRIP {
        Nats.warning("round trip", found, "every word crosses it several times: run it on this machine, or nearer")
    } else {
        Nats.ok("round trip", found)
    };
    finding.with("round_trip_ms", milliseconds)
}

/// The account's limits; -1 is none.
fn jetstream(account: &Value) -> Finding {
    if let Some(why) = account["error"]["description"].as_str() {
        return Nats.problem("JetStream", why, "start nats-server with --jetstream, or enable it for this account");
    }
    let used = account["storage"].as_i64().unwrap_or(0);
    let most = account["limits"]["max_storage"].as_i64().unwrap_or(-1);
    let streams = account["limits"]["max_streams"].as_i64().unwrap_or(-1);
    let shown = numbers::bytes(u64::try_from(used).unwrap_or(0));
    if (0..WANTED_STORAGE).contains(&most) {
        let found = format!("on, but this account may store only {}", numbers::bytes(u64::try_from(most).unwrap_or(0)));
        return Nats.problem(
            "JetStream",
            found,
            "allow it 1.3 GiB: what was said is kept there until it is in the database",
        );
    }
    if (0..2).contains(&streams) {
        return Nats.problem("JetStream", "on, but this account may not have two streams", "raise its max_streams");
    }
    Nats.ok("JetStream", format!("on, {shown} stored")).with("stored_bytes", used as f64)
}

fn stream_found(stream: &str, answer: &Value, is_up: bool) -> Finding {
    let subject = format!("stream {stream}");
    if let Some(state) = answer.get("state") {
        let messages = state["messages"].as_u64().unwrap_or(0);
        return Nats.ok(subject, format!("{messages} messages")).with("messages", messages as f64);
    }
    let why = answer["error"]["description"].as_str().unwrap_or("it can't be looked at");
    if answer["error"]["code"] == 404 && !is_up {
        return Nats.skipped(subject, "is not there yet; `aether up` makes it");
    }
    Nats.problem(subject, why, "look at brain's and notifier's logs: they make it at their start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn versions_are_compared_by_number() {
        for (version_text, status) in
            [("2.15.1", Status::Ok), ("2.10.0", Status::Ok), ("2.9.25", Status::Problem), ("", Status::Problem)]
        {
            assert_eq!(version(&json!({ "version": version_text })).status, status, "{version_text}");
        }
    }

    #[test]
    fn an_account_must_have_room_for_the_streams() {
        let account = |storage: i64, streams: i64| json!({ "storage": 10, "limits": { "max_storage": storage, "max_streams": streams } });
        for (account, status) in [
            (account(-1, -1), Status::Ok),
            (account(2 << 30, 8), Status::Ok),
            (account(1 << 20, -1), Status::Problem),
            (account(-1, 1), Status::Problem),
            (json!({ "error": { "code": 503, "description": "JetStream not enabled" } }), Status::Problem),
        ] {
            assert_eq!(jetstream(&account).status, status, "{account}");
        }
    }

    #[test]
    fn a_stream_may_be_missing_only_before_the_first_start() {
        let missing = json!({ "error": { "code": 404, "description": "stream not found" } });
        assert_eq!(stream_found("TURNS", &missing, false).status, Status::Skipped);
        assert_eq!(stream_found("TURNS", &missing, true).status, Status::Problem);
        assert_eq!(stream_found("TURNS", &json!({ "state": { "messages": 3 } }), true).found, "3 messages");
    }
}
