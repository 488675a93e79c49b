//! What [`aether_telemetry::init`] sets up for a whole process. One test, because a process is set up once.

use std::net::SocketAddr;

use aether_settings::{Loader, TelemetrySettings};
use aether_telemetry::{Health, HttpServer, InitError, http_router, init, metric};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

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
    let mut socket = tokio::net::TcpStream::connect(address).await?;
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    for line in [
        "voice_turn_total_seconds_bucket{le=\"0.7\"} 1",
        "voice_turns_total{end=\"completed\"} 1",
        "part_up{part=\"nats\"} 1",
        "# TYPE voice_turn_total_seconds histogram",
    ] {
        assert!(answer.contains(line), "{line} is missing in\n{answer}");
    }
    Ok(())
}
