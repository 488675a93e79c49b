//! What a service shows of itself, asked over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use aether_telemetry::{Health, HttpServer, ServeError, State, http_router, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), Box<dyn std::error::Error>> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of head")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

async fn start(health: &Health) -> Result<(SocketAddr, CancellationToken), ServeError> {
    let server = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let (address, shutdown) = (server.address(), CancellationToken::new());
    tokio::spawn(server.run(http_router(health.clone()), shutdown.clone()));
    Ok((address, shutdown))
}

#[tokio::test]
async fn readiness_follows_the_required_parts_and_says_what_it_waits_for() -> Outcome {
    let health = Health::new("tts", "1.2.3");
    let (nats, redis) = (health.part("nats"), health.optional_part("redis"));
    let (address, _shutdown) = start(&health).await?;

    assert_eq!(get(address, "/livez").await?, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/readyz").await?, (503, "waiting for nats\n".to_owned()));
    nats.waiting("no connection to nats://127.0.0.1:4222 yet");
    redis.down("gone");
    let (status, body) = get(address, "/health").await?;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body)?,
        json!({
            "service": "tts", "version": "1.2.3", "ready": false, "state": "waiting", "waiting_for": ["nats"],
            "parts": [
                {"name": "nats", "required": true, "state": "waiting", "detail": "no connection to nats://127.0.0.1:4222 yet"},
                {"name": "redis", "required": false, "state": "down", "detail": "gone"},
            ],
        })
    );

    nats.up();
    assert_eq!(get(address, "/readyz").await?, (200, "ready\n".to_owned()));
    assert_eq!(health.report().state, State::Degraded, "an optional part that is away is a flaw, not a failure");
    nats.degraded("slow");
    assert_eq!(get(address, "/readyz").await?.0, 200);
    nats.down("the server closed the connection");
    assert_eq!(get(address, "/readyz").await?.0, 503);
    assert_eq!(get(address, "/livez").await?.0, 200);
    assert_eq!(get(address, "/nothing").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn whoever_waits_for_readiness_is_woken() {
    let health = Health::new("tts", "1");
    let part = health.part("nats");
    let _same = health.part("nats");
    assert_eq!(health.report().parts.len(), 1, "a part registered twice is one part");
    let waiter = tokio::spawn({
        let health = health.clone();
        async move { health.ready().await }
    });
    part.up();
    assert!(tokio::time::timeout(Duration::from_secs(5), waiter).await.is_ok_and(|joined| joined.is_ok()));
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_to_find_who_has_it() -> Outcome {
    let holder = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let port = holder.address().port();
    let error = serve(holder.address(), http_router(Health::new("tts", "1")), CancellationToken::new()).await;
    assert_eq!(
        error.map_err(|error| error.to_string()),
        Err(format!(
            "port {port} on 127.0.0.1 is taken by another process; stop it (`ss -ltnp 'sport = :{port}'` names it) or \
             choose another port"
        ))
    );
    Ok(())
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused() {
    let error = HttpServer::bind(SocketAddr::from(([192, 0, 2, 1], 0))).await;
    assert!(matches!(error, Err(ServeError::NotOurAddress { .. })), "{error:?}");
}

#[tokio::test]
async fn the_server_ends_when_told_to() -> Outcome {
    let server = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let (address, shutdown) = (server.address(), CancellationToken::new());
    let running = tokio::spawn(server.run(http_router(Health::new("tts", "1")), shutdown.clone()));
    assert_eq!(get(address, "/livez").await?.0, 200);
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(3), running).await???;
    assert!(TcpStream::connect(address).await.is_err());
    Ok(())
}
