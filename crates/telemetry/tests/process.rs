//! What [`aether_telemetry::init`] sets up for a whole process. One test, because a process is set up once.

use std::net::SocketAddr;

use aether_settings::{Loader, TelemetrySettings};
use aether_telemetry::{Health, HttpServer, InitError, http_router, init, metric};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

async fn get(address: SocketAddr, header: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: test\r\n{header}Connection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
}

#[tokio::test]
async fn metrics_are_recorded_under_their_names() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Loader::new(|_| None, None).load(TelemetrySettings::read)?;
    let _guard = init(&settings, "tts", "1")?;
    assert!(matches!(init(&settings, "tts", "1"), Err(InitError::AlreadySetUp)));

    let health = Health::new("tts", "1");
    health.part("nats").up();
    metrics::histogram!(metric::TURN_TOTAL).record(0.42);
    metrics::counter!(metric::TURNS, "end" => "completed").increment(1);

    let server = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = server.address();
    tokio::spawn(server.run(http_router(health), CancellationToken::new()));
    let text = get(address, "").await?;
    for line in [
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        "voice_turn_total_seconds_bucket{le=\"0.7\"} 1",
        "voice_turns_total{end=\"completed\"} 1",
        "part_up{part=\"nats\",required=\"yes\"} 1",
        "# TYPE voice_turn_total_seconds histogram",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_cpu_seconds_total counter",
        // There from the start.
        "voice_synthesis_active 0",
        "voice_synthesis_audio_seconds_count 0",
    ] {
        assert!(text.to_lowercase().contains(&line.to_lowercase()), "{line} is missing in\n{text}");
    }
    let megabytes = value(&text, "process_resident_memory_bytes").ok_or("no memory")? / 1e6;
    assert!((1.0..10_000.0).contains(&megabytes), "{megabytes} MB");
    let before = value(&text, "process_cpu_seconds_total").ok_or("no time")?;
    aether_testkit::eventually("work takes time", 30, || async {
        std::hint::black_box((0..10_000_000_u64).sum::<u64>());
        get(address, "").await.is_ok_and(|text| value(&text, "process_cpu_seconds_total") > Some(before))
    })
    .await;

    let open = get(address, "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3\r\n").await?;
    assert!(open.contains("application/openmetrics-text; version=1.0.0") && open.ends_with("# EOF\n"), "{open}");
    assert!(open.contains("# TYPE voice_turns counter\n"), "{open}");
    Ok(())
}
