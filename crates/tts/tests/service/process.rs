//! The program itself: what it says when it can't start, and how it ends.

use std::net::{SocketAddr, TcpListener};
use std::process::{Output, Stdio};
use std::time::Duration;

use aether_bus::{Bus, CallOptions};
use aether_proto::{TtsInput, TtsOutput, subject};
use aether_settings::{Loader, TelemetrySettings};
use aether_telemetry::{current_trace_id, init};
use aether_testkit as testkit;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tracing::Instrument;

use crate::mouth::{PATIENCE, context};

fn program(bind: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aether-tts"));
    command
        .env_clear()
        // An empty folder of its own: no `aether.toml` of anybody else's.
        .current_dir(std::env::temp_dir())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AETHER_HOME", testkit::layout().home())
        .env("AETHER_TTS_BIND", bind.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn wrong_settings_stop_it_with_all_that_is_wrong() {
    let mut command = program(SocketAddr::from(([127, 0, 0, 1], 0)));
    command.env("NATS_URL", "nats:user:hunter2@").env("PIPER_WORKERS", "0").env("PIPER_SAMPLE_RATE", "16000");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    for part in
        ["aether-tts: 3 settings are wrong:", "NATS_URL is", "PIPER_WORKERS is `0`", "PIPER_SAMPLE_RATE no longer"]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn who_asks_it_for_help_does_not_start_it() {
    let mut command = program(SocketAddr::from(([127, 0, 0, 1], 0)));
    command.arg("--help");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the argument `--help` is not understood"), "{}", said(&output));
}

#[tokio::test]
async fn a_taken_port_stops_it_with_the_port() {
    let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let bind = holder.local_addr().unwrap();
    let output = run(program(bind)).await;
    assert_eq!(output.status.code(), Some(1));
    let wanted = format!("aether-tts: port {} on 127.0.0.1 is taken by another process", bind.port());
    assert!(said(&output).contains(&wanted), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_it_waits_says_so_and_ends_when_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bind = SocketAddr::from(([127, 0, 0, 1], testkit::free_port().unwrap()));
    let nowhere = format!("nats://127.0.0.1:{}", testkit::free_port().unwrap());
    let child = program(bind).env("NATS_URL", nowhere).spawn().unwrap();
    let asked = async {
        loop {
            if let Ok(answer) = reqwest::get(format!("http://{bind}/readyz")).await {
                let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
                if body == "waiting for nats\n" {
                    return status;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, asked).await.unwrap(), 503);
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("asked to stop signal=SIGTERM"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_log_lines_belong_to_the_callers_trace_on_both_doors() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let quiet = Loader::new(|name| (name == "AETHER_LOG_LEVEL").then(|| "off".to_owned()), None);
    let _telemetry = init(&quiet.load(TelemetrySettings::read).unwrap(), "test", "1").unwrap();
    let nats = testkit::nats().await;
    let bind = SocketAddr::from(([127, 0, 0, 1], testkit::free_port().unwrap()));
    let mut child = program(bind).env("NATS_URL", &nats.url).env("AETHER_LOG_FORMAT", "json").spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut spoke = async move || {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "spoke" {
                return line;
            }
        }
    };

    let bus = Bus::connect(aether_bus::Options::new(&nats.url, "test")).await.unwrap();
    let input = TtsInput { text: "a secret word".to_owned(), ..TtsInput::default() };
    let caller = tracing::info_span!(target: "aether_test", "caller");
    let options = CallOptions { audio_output: true, ..CallOptions::default() };
    let call = async {
        let mut call = loop {
            let call = bus.call::<TtsInput, TtsOutput>(&context(), subject::TTS_REQUEST, &input, options.clone()).await;
            match call {
                Ok(call) => break call,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        while call.next().await.unwrap().is_some() {}
        current_trace_id().unwrap()
    };
    let trace_id = tokio::time::timeout(PATIENCE, call.instrument(caller)).await.unwrap();
    let line = tokio::time::timeout(PATIENCE, spoke()).await.unwrap();
    assert_eq!(line["trace_id"], trace_id.as_str(), "{line}");
    assert_eq!((&line["tenant"], &line["service"]), (&"default".into(), &"tts".into()), "{line}");
    assert!(!line.to_string().contains("secret"), "what is spoken is not logged: {line}");

    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let request = reqwest::Client::new()
        .post(format!("http://{bind}/tts/stream"))
        .header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01"))
        .json(&serde_json::json!({ "text": "yes" }));
    request.send().await.unwrap().bytes().await.unwrap();
    let line = tokio::time::timeout(PATIENCE, spoke()).await.unwrap();
    assert_eq!(line["trace_id"], trace_id, "{line}");
}
