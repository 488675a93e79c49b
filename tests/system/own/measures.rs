//! What the services measure, asked as Prometheus asks.

use aether_testkit::eventually;

use crate::house::{House, TENANT, recording};

/// What a service shows, in the form that has room for exemplars.
async fn shown(url: &str) -> String {
    let request = reqwest::Client::new().get(format!("{url}/metrics")).header("accept", "application/openmetrics-text");
    request.send().await.unwrap().text().await.unwrap()
}

fn value(shown: &str, series: &str) -> Option<f64> {
    let line = shown.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.split(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_measured_where_it_happens_and_a_turn_is_found_by_its_bucket() {
    let house = House::stand().await;
    // Nothing has happened yet, and what may is there.
    for (service, url, series) in [
        ("agent", &house.agent.url, "voice_turns_total{end=\"error\"}"),
        ("agent", &house.agent.url, "voice_cut_off_total"),
        ("agent", &house.agent.url, "voice_turn_total_seconds_count"),
        ("brain", &house.brain.url, "aether_tool_calls_total{tool=\"current_time\",outcome=\"failed\"}"),
        ("brain", &house.brain.url, "aether_bus_handled_total{subject=\"brain.request\",outcome=\"llm_unavailable\"}"),
        ("scheduler", &house.scheduler.url, "aether_job_attempts_total{kind=\"reminder\",outcome=\"failed\"}"),
        ("notifier", &house.notifier.url, "aether_notification_deliveries_total{channel=\"push\",outcome=\"failed\"}"),
        ("gateway", &house.gateway.url, "aether_chat_first_token_seconds_count"),
    ] {
        assert_eq!(value(&shown(url).await, series), Some(0.0), "{service}: {series}");
    }

    let calls = house.caller(TENANT, "ada");
    calls.chat("What time is it?").await.answer();
    let _sidecar = calls.listen().await;
    let exchange = house.ask("kitchen", "ada", recording("cmd11.wav")).await;
    for (service, url, series) in [
        ("agent", &house.agent.url, "voice_room_join_seconds_count"),
        ("agent", &house.agent.url, "voice_turn_total_seconds_count"),
        ("agent", &house.agent.url, "voice_stt_decode_seconds_count"),
        ("agent", &house.agent.url, "voice_stt_wait_seconds_count"),
        ("agent", &house.agent.url, "voice_stt_audio_seconds_sum"),
        ("agent", &house.agent.url, "aether_bus_round_trip_seconds_count{subject=\"brain.request\",outcome=\"ok\"}"),
        ("agent", &house.agent.url, "part_up{part=\"livekit\",required=\"yes\"}"),
        ("gateway", &house.gateway.url, "part_up{part=\"livekit\",required=\"no\"}"),
        ("gateway", &house.gateway.url, "aether_websockets_open"),
        ("gateway", &house.gateway.url, "aether_chat_first_token_seconds_count"),
        (
            "gateway",
            &house.gateway.url,
            "http_server_request_duration_seconds_count{http_route=\"/v1/chat/completions\",status=\"2xx\"}",
        ),
        ("brain", &house.brain.url, "aether_tool_calls_total{tool=\"current_time\",outcome=\"ok\"}"),
        ("tts", &house.tts.url, "process_resident_memory_bytes"),
        ("tts", &house.tts.url, "process_cpu_seconds_total"),
    ] {
        let is_there = || async { value(&shown(url).await, series).is_some_and(|value| value > 0.0) };
        eventually(&format!("{service} shows {series}"), 10, is_there).await;
    }
    let agent = shown(&house.agent.url).await;
    let leads = format!("# {{trace_id=\"{}\"}}", exchange.metrics.trace_id);
    let is_bucket = |line: &str| line.starts_with("voice_turn_total_seconds_bucket") && line.contains(&leads);
    assert!(agent.lines().any(is_bucket), "no bucket leads to {leads} in\n{agent}");
}
