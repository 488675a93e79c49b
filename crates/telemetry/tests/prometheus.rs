//! A real Prometheus asks a process, and leads from a bucket to the trace.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use aether_settings::{Loader, TelemetrySettings};
use aether_telemetry::{Health, HttpServer, current_trace_id, http_router, init, metric};
use aether_testkit::{eventually, free_port, layout};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Ends with the test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn get(port: u16, path: &str) -> Outcome<Value> {
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no end of head")?;
    Ok(serde_json::from_str(body)?)
}

#[tokio::test]
async fn a_slow_bucket_leads_to_its_trace() -> Outcome<()> {
    let settings = Loader::new(|_| None, None).load(TelemetrySettings::read)?;
    let _guard = init(&settings, "agent", "1")?;
    let server = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let target = server.address();
    tokio::spawn(server.run(http_router(Health::new("agent", "1")), CancellationToken::new()));

    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    let configuration = folder.path().join("prometheus.yml");
    fs::write(
        &configuration,
        format!(
            "scrape_configs: [{{ job_name: aether, scrape_interval: 1s, static_configs: [{{ targets: ['{target}'] }}] }}]"
        ),
    )?;
    let _prometheus = Prometheus(
        Command::new(layout().parts().join("bin/prometheus"))
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=exemplar-storage")
            .stderr(Stdio::null())
            .spawn()?,
    );
    let query = async |query: &str| get(port, &format!("/api/v1/query?query={query}")).await.ok();
    let is_one = |answer: Option<Value>, value: &str| {
        answer.is_some_and(|answer| answer["data"]["result"][0]["value"][1] == value)
    };
    // It is there before the first turn is, so that the first counts.
    eventually("no turn yet", 30, || async { is_one(query("voice_turn_total_seconds_count").await, "0") }).await;
    eventually("no end yet", 5, || async { is_one(query("voice_turns_total{end='error'}").await, "0") }).await;

    let trace_id = tracing::info_span!(target: "aether", "turn").in_scope(|| {
        metrics::histogram!(metric::TURN_TOTAL).record(1.1);
        current_trace_id()
    });
    metrics::histogram!(metric::TURN_TOTAL).record(0.5);
    let trace_id = trace_id.ok_or("no trace")?;
    let path = "/api/v1/query_exemplars?query=voice_turn_total_seconds_bucket&start=0&end=9999999999";
    eventually("the exemplar", 30, || async {
        let Ok(answer) = get(port, path).await else { return false };
        let found = &answer["data"][0];
        found["seriesLabels"]["le"] == "1.2"
            && found["exemplars"][0]["labels"]["trace_id"] == trace_id.as_str()
            && found["exemplars"][0]["value"] == "1.1"
            // What was measured outside of a trace leads nowhere.
            && answer["data"].as_array().is_some_and(|series| series.len() == 1)
    })
    .await;
    eventually("both turns", 5, || async { is_one(query("voice_turn_total_seconds_count").await, "2") }).await;
    let is_counter = get(port, "/api/v1/metadata?metric=process_cpu_seconds").await?;
    assert_eq!(is_counter["data"]["process_cpu_seconds"][0]["type"], "counter", "{is_counter}");
    Ok(())
}
