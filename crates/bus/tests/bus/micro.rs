use aether_bus::{CallOptions, Context, IncomingCall};
use aether_proto::ErrorCode;
use aether_testkit as testkit;
use serde_json::Value;

use crate::fixture::{connect, context, options, raw, start};

async fn ask(raw: &async_nats::Client, subject: &str) -> Value {
    let reply = raw.request(subject.to_owned(), "".into()).await.unwrap();
    serde_json::from_slice(&reply.payload).unwrap()
}

#[tokio::test]
async fn the_micro_tools_find_the_service_and_one_call_counts_once() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker
        .service(options("brain", 4))
        .call("brain.request", |call: IncomingCall<u32, u32>| async move {
            for number in 0..*call.open() {
                call.send(&number).await?;
            }
            Ok(())
        })
        .request("embed.request", |_: Context, (): ()| async {
            Err::<(), _>(ErrorCode::Unavailable.error("not today"))
        });
    let running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    for _ in 0..3 {
        let mut call = caller.call::<u32, u32>(&context(), "brain.request", &20, CallOptions::default()).await.unwrap();
        while call.next().await.unwrap().is_some() {}
    }
    caller.request::<_, ()>(&context(), "embed.request", &()).await.unwrap_err();
    testkit::eventually("all is counted", 2, || async { running.stats().iter().map(|s| s.requests).sum::<u64>() == 4 })
        .await;

    let raw = raw(&nats.url).await;
    let ping = ask(&raw, "$SRV.PING").await;
    assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
    assert_eq!((&ping["name"], &ping["version"]), (&"brain".into(), &"1.2.3".into()));
    let id = ping["id"].as_str().unwrap();

    let info = ask(&raw, "$SRV.INFO.brain").await;
    assert_eq!(info["type"], "io.nats.micro.v1.info_response");
    assert_eq!(info["endpoints"][0]["subject"], "brain.request");
    assert_eq!(info["endpoints"][0]["queue_group"], "brain");

    let stats = ask(&raw, &format!("$SRV.STATS.brain.{id}")).await;
    assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
    assert_eq!(stats["endpoints"][0]["num_requests"], 3);
    assert_eq!(stats["endpoints"][0]["num_errors"], 0);
    assert!(stats["endpoints"][0]["average_processing_time"].as_u64().unwrap() > 0);
    assert_eq!(stats["endpoints"][1]["num_errors"], 1);
    assert_eq!(stats["endpoints"][1]["last_error"], "503:unavailable");

    // The client library's own types read the same answers as the nats CLI does.
    serde_json::from_value::<async_nats::service::Info>(info).unwrap();
    serde_json::from_value::<async_nats::service::Stats>(stats).unwrap();
}

#[tokio::test]
async fn a_name_or_version_that_the_micro_tools_would_not_take_is_refused() {
    let nats = testkit::nats().await;
    let bus = connect(&nats.url, "brain").await;
    for (name, version, calls) in
        [("my brain", "1.0.0", 1), ("", "1.0.0", 1), ("brain", "one", 1), ("brain", "1.0.0", 0)]
    {
        let mut options = options(name, calls);
        options.version = version.to_owned();
        assert!(bus.service(options).start().await.is_err(), "{name} {version} {calls}");
    }
}
