//! Each real server starts, can be killed and comes back; nothing of it is left when the value is dropped.

use aether_supervisor::Probe;
use aether_testkit as testkit;

#[tokio::test]
async fn nats_is_killed_and_comes_back_at_the_same_address() {
    let mut nats = testkit::nats().await;
    let probe = Probe::Nats(nats.url.clone());
    probe.check().await.unwrap();
    nats.kill().await;
    assert!(probe.check().await.is_err());
    nats.restart().await;
    probe.check().await.unwrap();
    drop(nats);
    assert!(probe.check().await.is_err());
}

#[tokio::test]
async fn redis_answers() {
    let redis = testkit::redis().await;
    Probe::Redis(redis.url.clone()).check().await.unwrap();
}

#[tokio::test]
async fn postgres_comes_back_after_a_kill_in_the_same_folder() {
    let mut postgres = testkit::postgres().await;
    postgres.kill().await;
    postgres.restart().await;
    Probe::Postgres(postgres.url.clone()).check().await.unwrap();
}

#[tokio::test]
async fn livekit_answers_on_its_http_side() {
    let livekit = testkit::livekit().await;
    Probe::Http(livekit.http_url.clone()).check().await.unwrap();
    assert!(!livekit.log().contains(&livekit.api_secret));
}

#[tokio::test]
async fn a_language_model_is_served() {
    let llm = testkit::llm().await;
    Probe::Http(format!("{}/v1/models", llm.url)).check().await.unwrap();
}

#[tokio::test]
async fn ollama_serves_the_imported_model() {
    let ollama = testkit::ollama().await;
    Probe::Http(format!("{}/api/tags", ollama.url)).check().await.unwrap();
    assert!(ollama.dir().join("models/manifests").is_dir());
}

#[tokio::test]
async fn jaeger_says_whose_traces_it_has() {
    let jaeger = testkit::jaeger().await;
    Probe::Http(format!("{}/api/services", jaeger.url)).check().await.unwrap();
    let otlp = jaeger.otlp_url.strip_prefix("http://").unwrap();
    tokio::net::TcpStream::connect(otlp).await.unwrap();
}
