//! LiveKit: whether it answers, takes the API key, and lets somebody into a room; then how packets get there (`network`).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aether_livekit::{ApiKey, RoomAdmin, token};
use aether_settings::LiveKitSettings;
use reqwest::header::DATE;

use super::{clock, network};
use crate::doctor::Section::{Livekit, Network};
use crate::doctor::wire::signal::{Join, Signal};
use crate::doctor::wire::{self, place};
use crate::doctor::{Finding, Status, Surroundings, numbers};

const SET_THE_KEY: &str =
    "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a pair that stands in the server's configuration";
/// Beyond this people notice that joining takes time.
const SLOW_JOIN: Duration = Duration::from_millis(500);
const OLDEST: [u64; 2] = [1, 8];
/// A room that is none of Aether's, so that nobody looks after it, and an agent that does not exist, so that none comes.
const NOBODY: &str = "aether-doctor-calls-nobody";

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if let Some(nobody) = around.nobody_to_ask(Livekit, "livekit", "livekit.url") {
        return vec![nobody];
    }
    let Ok(settings) = around.context.settings(LiveKitSettings::read) else {
        return vec![Livekit.problem("API key", "its settings are wrong or missing", SET_THE_KEY)];
    };
    let url = settings.url.expose();
    let mut findings = Vec::new();
    match greet(url).await {
        Ok(reading) => findings.extend(reading.map(|reading| clock::judge("LiveKit", reading))),
        Err(error) => return vec![around.unanswered(Livekit, "livekit.url", &error)],
    }
    let key = ApiKey { key: settings.api_key, secret: settings.api_secret.expose().to_owned() };
    let admin = match RoomAdmin::new(url, &key) {
        Ok(admin) => admin,
        Err(error) => {
            findings.push(Livekit.problem("server", error.to_string(), "correct LIVEKIT_URL"));
            return findings;
        }
    };
    match admin.list_rooms().await {
        Ok(rooms) => {
            let found = format!("is accepted; {} rooms are open", rooms.len());
            findings.push(Livekit.ok("API key", found).with("rooms", rooms.len() as f64));
        }
        Err(error) => {
            let remedy = if findings.iter().any(|finding| finding.status == Status::Problem) {
                "set the clocks first (see Clock): what is signed at another time is refused, whatever the key"
            } else {
                SET_THE_KEY
            };
            findings.push(Livekit.problem("API key", error.to_string(), remedy));
            return findings;
        }
    }
    findings.extend(visit(url, &key, &admin).await);
    findings
}

/// Whether something speaks HTTP there, and what time it is for it.
async fn greet(url: &str) -> Result<Option<clock::Reading>, wire::Error> {
    let (host, port) = place(url, 7880);
    let unreachable = |reason: String| wire::Error::Unreachable { host: host.clone(), port, reason };
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build();
    let client = client.map_err(|error| unreachable(error.to_string()))?;
    let before = SystemTime::now();
    let answer = client.get(url.replacen("ws", "http", 1)).send().await.map_err(|error| {
        unreachable(if error.is_timeout() { "no answer within 3 s" } else { "no connection" }.to_owned())
    })?;
    if !answer.status().is_success() {
        return Err(wire::Error::Refused(format!("it answers HTTP {}", answer.status().as_u16())));
    }
    let date = answer.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let theirs = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ok(theirs.map(|theirs| clock::Reading {
        theirs: theirs.as_secs_f64(),
        before,
        after: SystemTime::now(),
        grain: 1.0,
    }))
}

/// Goes into a room of its own and tries every way in which packets may travel.
async fn visit(url: &str, key: &ApiKey, admin: &RoomAdmin) -> Vec<Finding> {
    let room = format!("aether-doctor-{}", std::process::id());
    let mut grant = token::Grant::new(room.as_str(), "aether-doctor");
    grant.agents.push(token::AgentCall { agent_name: NOBODY.to_owned(), metadata: String::new() });
    let token = match token::person(key, grant) {
        Ok(token) => token,
        Err(error) => {
            return vec![Livekit.problem(
                "a room",
                error.to_string(),
                "correct LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
            )];
        }
    };
    let began = Instant::now();
    let entered = async {
        let mut signal = Signal::connect(url, &token).await?;
        loop {
            if let Some(join) = signal.next().await?.join {
                return Ok::<_, wire::Error>((signal, join));
            }
        }
    };
    let mut findings = Vec::new();
    match entered.await {
        Ok((mut signal, join)) => {
            findings.extend(joined(&join, began.elapsed()));
            findings.extend(network::look(&mut signal, url, &join).await);
            signal.leave().await;
        }
        Err(error) => {
            findings.push(Livekit.problem("a room", format!("can't be joined: {error}"), "look at LiveKit's log"));
            findings.push(Network.skipped("ICE", "nobody gets into a room"));
        }
    }
    // It ends by itself, only later.
    let _ = admin.delete_room(&room).await;
    findings
}

fn joined(join: &Join, took: Duration) -> Vec<Finding> {
    let milliseconds = numbers::milliseconds(took);
    let version = join.server_version.as_str();
    let version_found = format!("livekit-server {version}");
    let version = if numbers::version(version).is_none_or(|version| version < OLDEST.to_vec()) {
        Livekit.warning("version", version_found, "use 1.8 or newer: agents' attributes and text streams came by then")
    } else {
        Livekit.ok("version", version_found)
    };
    let found = format!("is joined after {milliseconds:.0} ms");
    let room = if took > SLOW_JOIN {
        Livekit.warning("a room", found, "is the server far away, or busy?")
    } else {
        Livekit.ok("a room", found)
    };
    vec![version, room.with("join_ms", milliseconds)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_join_is_judged_by_version_and_time() {
        let join = |version: &str| Join { server_version: version.to_owned(), ice_servers: Vec::new() };
        for (version, milliseconds, expected) in [
            ("1.13.5", 40, [Status::Ok, Status::Ok]),
            ("1.7.2", 40, [Status::Warning, Status::Ok]),
            ("1.13.5", 900, [Status::Ok, Status::Warning]),
            ("", 40, [Status::Warning, Status::Ok]),
        ] {
            let findings = joined(&join(version), Duration::from_millis(milliseconds));
            assert_eq!([findings[0].status, findings[1].status], expected, "{version} {milliseconds}");
        }
    }
}
