//! `aether doctor` as a person runs it: against nothing, against servers that say nothing, against real ones, and for an
//! archive that may be sent to somebody.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the value that it did not expect")]

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use aether_store::{Login, Store};
use aether_testkit as testkit;
use serde_json::Value;

/// Nothing may take longer, whatever the servers do.
const SECONDS: Duration = Duration::from_secs(30);
const SERVICE_PASSWORD: &str = "service-password-of-this-test";

/// Runs it in `home` with these variables and no others of Aether's.
fn doctor(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_aether"))
        .arg("doctor")
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AETHER_HOME", home)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(began.elapsed() < SECONDS, "it took {:?}", began.elapsed());
    output
}

/// The same, without what takes seconds: its report and whether it exited with 0.
fn report(home: &Path, environment: &[(&str, &str)]) -> (Value, bool) {
    let output = doctor(home, &["--json", "--no-turn", "--no-speed"], environment);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {error}"));
    (report, output.status.success())
}

/// The first finding about `subject`.
fn finding<'a>(report: &'a Value, section: &str, subject: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["section"] == section && finding["subject"] == subject);
    found.unwrap_or_else(|| panic!("nothing about {section}, {subject} in {report:#}"))
}

fn statuses(report: &Value, section: &str) -> HashMap<String, String> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["section"] == section);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.map(|finding| (text(&finding["subject"]), text(&finding["status"]))).collect()
}

#[test]
fn where_nothing_is_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = doctor(home.path(), &[], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in [
        "aether models get whisper-tiny.en",
        "run scripts/setup",
        "start it with `aether up`",
        "`aether up` starts it, and then it can be asked",
        "problems to mend",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn every_problem_and_warning_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let (report, is_well) = report(home.path(), &[("NATS_URL", "nats://127.0.0.1:1"), ("AETHER_LOG_FORMAT", "xml")]);
    assert!(!is_well && report["well"] == false && report["up"] == false);
    for finding in report["findings"].as_array().unwrap() {
        let is_well = matches!(finding["status"].as_str(), Some("ok" | "skipped"));
        assert_eq!(finding["remedy"].is_null(), is_well, "{finding}");
    }
    let settings = finding(&report, "setup", "settings");
    assert!(settings["found"].as_str().unwrap().contains("AETHER_LOG_FORMAT is `xml`"), "{settings}");
    assert_eq!(finding(&report, "nats", "server")["status"], "problem");
    assert_eq!(finding(&report, "redis", "server")["status"], "skipped");
}

#[test]
fn servers_that_say_nothing_are_given_up() {
    let home = tempfile::tempdir().unwrap();
    // Takes connections, and leaves them alone.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap();
    let urls = ["nats", "postgres", "redis", "ws", "http"].map(|scheme| format!("{scheme}://{place}"));
    let [nats, postgres, redis, livekit, llm] = &urls;
    let secret = "a secret of more than thirty-two characters";
    let environment = [
        ("NATS_URL", nats.as_str()),
        ("POSTGRES_URL", postgres),
        ("REDIS_URL", redis),
        ("LIVEKIT_URL", livekit),
        ("LIVEKIT_API_SECRET", secret),
        ("LLM_ENDPOINT", llm),
    ];
    let (report, is_well) = report(home.path(), &environment);
    assert!(!is_well);
    for section in ["nats", "postgres", "redis", "livekit", "language_model"] {
        let statuses = statuses(&report, section);
        assert!(statuses.values().any(|status| status == "problem"), "{section}: {statuses:?}");
    }
    assert!(!report.to_string().contains(secret));
}

#[test]
fn a_port_that_is_taken_is_told_with_whoever_has_it() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = listener.local_addr().unwrap().to_string();
    let (report, _) = report(home.path(), &[("AETHER_GATEWAY_BIND", &bind)]);
    let port = listener.local_addr().unwrap().port();
    let taken = finding(&report, "ports", &format!("port {port} (gateway)"));
    assert!(taken["found"].as_str().unwrap().contains(&format!("(process {})", std::process::id())), "{taken}");
    assert!(taken["remedy"].as_str().unwrap().contains("AETHER_GATEWAY_BIND"), "{taken}");
}

#[test]
fn a_damaged_model_is_found_by_its_hash() {
    let home = tempfile::tempdir().unwrap();
    let (model, file) = ("silero-vad", "silero_vad.onnx");
    let mut bytes = fs::read(testkit::layout().model(model, file)).unwrap();
    fs::create_dir_all(home.path().join("models").join(model)).unwrap();
    let path = home.path().join("models").join(model).join(file);
    fs::write(&path, &bytes).unwrap();
    let (sound, _) = report(home.path(), &[]);
    assert_eq!(finding(&sound, "models", model)["status"], "ok");
    bytes[1_000_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (damaged, is_well) = report(home.path(), &[]);
    let finding = finding(&damaged, "models", model);
    assert_eq!((finding["status"].as_str(), is_well), (Some("problem"), false));
    assert_eq!(finding["remedy"], "aether models get silero-vad");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_servers_are_well_and_packets_reach_livekit() {
    let (nats, redis, postgres, livekit) =
        tokio::join!(testkit::nats(), testkit::redis(), testkit::postgres(), testkit::livekit());
    Store::migrate(&postgres.url, |_| SERVICE_PASSWORD.to_owned()).await.unwrap();
    let service = Login::Gateway.url(&postgres.url, SERVICE_PASSWORD).unwrap();
    let llm = testkit::ScriptedLlm::start([testkit::Script::words(["yes"])]).await;
    let home = tempfile::tempdir().unwrap();
    let endpoint = format!("{}/v1", llm.endpoint);
    let environment = [
        ("NATS_URL", nats.url.as_str()),
        ("REDIS_URL", &redis.url),
        ("POSTGRES_URL", &service),
        ("POSTGRES_OWNER_URL", &postgres.url),
        ("LIVEKIT_URL", &livekit.url),
        ("LIVEKIT_API_KEY", &livekit.api_key),
        ("LIVEKIT_API_SECRET", &livekit.api_secret),
        ("LLM_ENDPOINT", &endpoint),
        ("LLM_MODEL", testkit::ScriptedLlm::MODEL),
    ];
    let (report, _) = tokio::task::block_in_place(|| report(home.path(), &environment));
    for (section, subjects) in [
        ("nats", vec!["version", "JetStream"]),
        ("postgres", vec!["version", "pgvector", "role", "schema", "logins"]),
        ("redis", vec!["version", "eviction", "persistence"]),
        ("livekit", vec!["API key", "version", "a room"]),
        ("network", vec!["ICE"]),
        ("language_model", vec!["server", "model"]),
        ("clock", vec!["Postgres", "Redis", "LiveKit"]),
    ] {
        for subject in subjects {
            assert_eq!(finding(&report, section, subject)["status"], "ok", "{section}, {subject}: {report:#}");
        }
    }
    let ice = report["findings"].as_array().unwrap().iter().filter(|finding| finding["section"] == "network");
    let checked: Vec<_> = ice.filter(|finding| finding["figures"]["round_trip_ms"].is_number()).collect();
    assert_eq!(checked.len(), 2, "one over UDP and one over TCP: {checked:?}");
    assert!(!report.to_string().contains(SERVICE_PASSWORD) && !report.to_string().contains(&livekit.api_secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_real_servers_is_told() {
    let (postgres, livekit) = tokio::join!(testkit::postgres(), testkit::livekit());
    let llm = testkit::ScriptedLlm::start([testkit::Script::words(["yes"])]).await;
    let endpoint = format!("{}/v1", llm.endpoint);
    let home = tempfile::tempdir().unwrap();
    let wrong = "not the secret of this server, and long enough";
    let environment = [
        // The owner, who sees every tenant's rows, in a database without tables.
        ("POSTGRES_URL", postgres.url.as_str()),
        ("LIVEKIT_URL", &livekit.url),
        ("LIVEKIT_API_KEY", &livekit.api_key),
        ("LIVEKIT_API_SECRET", wrong),
        ("LLM_ENDPOINT", &endpoint),
        ("LLM_MODEL", "another"),
    ];
    let (report, is_well) = tokio::task::block_in_place(|| report(home.path(), &environment));
    assert!(!is_well);
    for (section, subject, status) in [
        ("postgres", "role", "problem"),
        ("postgres", "schema", "warning"),
        ("livekit", "API key", "problem"),
        ("language_model", "model", "problem"),
    ] {
        assert_eq!(finding(&report, section, subject)["status"], status, "{section}, {subject}: {report:#}");
    }
    let wrong_password = postgres.url.replacen("only-for-this-test", "another-password", 1);
    let (report, _) =
        tokio::task::block_in_place(|| self::report(home.path(), &[("POSTGRES_URL", wrong_password.as_str())]));
    let server = finding(&report, "postgres", "server");
    assert!(server["found"].as_str().unwrap().contains("password authentication failed"), "{server}");
    assert!(!report.to_string().contains("another-password"));
}

#[test]
fn nothing_secret_and_nothing_that_was_said_is_in_the_archive() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    fs::create_dir_all(home.path().join("run")).unwrap();
    let said = "my grandmother keeps seven violet hedgehogs";
    let secrets = [
        ("LIVEKIT_API_SECRET", "livekit-secret-0123456789-0123456789"),
        ("AETHER_IDENTITY_SECRET", "identity-secret-0123456789-0123456789"),
        ("LLM_API_KEY", "llm-key-0123456789"),
        ("NATS_PASSWORD", "nats-password"),
        ("AETHER_API_KEY", "aether_abcdefghijkl_ABCDEFGH0123456789"),
    ];
    let in_file = "password-that-stands-in-the-file";
    let of_last_start = "secret-of-the-last-start-0123456789";
    let config = home.path().join("aether.toml");
    fs::write(&config, format!("[postgres]\nurl = \"postgres://ada:{in_file}@127.0.0.1:1/aether\"\n")).unwrap();
    fs::write(
        home.path().join("run/secrets.json"),
        format!(
            r#"{{"livekit_api_key":"aether","livekit_api_secret":"{of_last_start}","postgres_password":"{of_last_start}",
            "postgres_service_password":"{of_last_start}","identity_secret":"{of_last_start}","notifier_secret":"{of_last_start}"}}"#
        ),
    )
    .unwrap();
    let mut log = String::new();
    for secret in secrets.iter().map(|(_, secret)| *secret).chain([in_file, of_last_start]) {
        for line in [
            format!("2026-11-30T00:00:00Z  WARN aether_bus: refused password={secret} port=4222"),
            format!("2026-11-30T00:00:00Z ERROR aether_store: can't connect error=postgres://ada:{secret}@db refused"),
            format!("{{\"level\":\"INFO\",\"fields\":{{\"message\":\"key {secret}\",\"key\":\"{secret}\"}}}}"),
            format!("2026-11-30 00:00:00.000 UTC [1] LOG:  connection with {secret}"),
            format!("[1] 2026/11/30 00:00:00.000000 [INF] user {secret}"),
        ] {
            log.push_str(&line);
            log.push('\n');
        }
    }
    for line in [
        format!("2026-11-30T00:00:00Z  INFO aether_voice: transcribed text=\"{said}\" ms=12"),
        format!("2026-11-30T00:00:00Z  INFO aether_voice: transcribed text={said} ms=12"),
        format!("2026-11-30T00:00:00Z  WARN aether_brain: no JSON error=unexpected \"{said}\" at column 4"),
        format!("2026-11-30T00:00:00Z DEBUG aether_brain: prompt {said}"),
        format!("2026-11-30T00:00:00Z TRACE aether_brain: {said}"),
        format!("{{\"level\":\"INFO\",\"fields\":{{\"message\":\"heard\",\"transcript\":\"{said}\"}}}}"),
        format!("{{\"level\":\"DEBUG\",\"fields\":{{\"message\":\"{said}\"}}}}"),
        format!("2026-11-30 00:00:00.000 UTC [1] STATEMENT:  INSERT INTO agents.turns VALUES ('{said}')"),
        format!("2026-11-30 00:00:00.000 UTC [1] ERROR:  invalid input: \"{said}\""),
        format!("2026-11-30T00:00:00.000Z\tINFO\tlivekit\tx.go:1\tdata\t{{\"payload\":\"{said}\",\"size\":4}}"),
        format!("0.01.000.000 I slot launch: prompt: {said}"),
        said.to_owned(),
        format!("\t{said}"),
    ] {
        log.push_str(&line);
        log.push('\n');
    }
    for name in ["agent", "brain", "postgres", "livekit", "llm", "gateway"] {
        fs::write(logs.join(format!("{name}.log")), &log).unwrap();
    }
    let archive = home.path().join("support.tar.gz");
    let config = config.display().to_string();
    let environment: Vec<_> = secrets.iter().copied().chain([("AETHER_CONFIG", config.as_str())]).collect();
    let arguments = ["--no-turn", "--no-speed", "--bundle", archive.to_str().unwrap()];
    let output = doctor(home.path(), &arguments, &environment);
    assert!(archive.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    let unpacked = tempfile::tempdir().unwrap();
    assert!(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(unpacked.path()).status().unwrap().success());
    let folder = unpacked.path().join("aether-support");
    for name in ["report.txt", "report.json", "settings.json", "versions.json", "logs/brain.log"] {
        assert!(folder.join(name).is_file(), "{name} is missing");
    }
    let mut files = vec![folder.clone()];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).unwrap();
        for hidden in
            secrets.iter().map(|(_, secret)| *secret).chain([in_file, of_last_start, "grandmother", "hedgehogs"])
        {
            assert!(!text.contains(hidden), "{hidden:?} is in {}:\n{text}", path.display());
        }
    }
    assert!(seen >= 10, "{seen} files");
    // What is of use is still there.
    let brain = fs::read_to_string(folder.join("logs/brain.log")).unwrap();
    for kept in
        ["refused password=*** port=4222", "transcribed text=… ms=12", "no JSON error=unexpected \"…\" at column 4"]
    {
        assert!(brain.contains(kept), "{kept:?} is not in {brain}");
    }
}
