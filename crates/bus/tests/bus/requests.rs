use std::collections::HashSet;
use std::time::{Duration, Instant};

use aether_bus::{Context, Error};
use aether_proto::{ErrorCode, SessionId};
use aether_testkit as testkit;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::fixture::{connect, context, options, raw, start, within};

#[tokio::test]
async fn a_question_gets_its_reply_and_the_handler_knows_on_whose_behalf() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker.service(options("brain", 4)).request(
        "embed.request",
        |context: Context, words: Vec<String>| async move {
            let remaining = context.deadline().unwrap();
            assert!(remaining <= Duration::from_secs(3) && remaining > Duration::from_secs(2));
            Ok((words.len(), context.tenant.to_string(), context.session))
        },
    );
    let running = start(&worker, service).await;

    let caller = connect(&nats.url, "agent").await;
    let session = SessionId::generate();
    let context = context().with_session(session).with_deadline(Duration::from_secs(3));
    let reply: (usize, String, Option<SessionId>) =
        caller.request(&context, "embed.request", &["a", "b"]).await.unwrap();
    assert_eq!(reply, (2, "acme".to_owned(), Some(session)));
    assert_eq!(running.stats()[0].requests, 1);
}

#[tokio::test]
async fn both_sides_measure_a_request_and_its_failures_are_there_before_they_happen() {
    let recorder = PrometheusBuilder::new().build_recorder();
    // Everything in this test runs on this thread.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker
        .service(options("brain", 4))
        .request("room.acme.hall.control", |_: Context, _: String| async move { Ok(()) });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    caller.request::<_, ()>(&context(), "room.acme.hall.control", &"x").await.unwrap();
    caller.request::<_, ()>(&context(), "room.acme.cellar.control", &"x").await.unwrap_err();

    let shown = recorder.handle().render();
    for line in [
        r#"aether_bus_round_trip_seconds_count{subject="room.*.*.control",outcome="ok"} 1"#,
        r#"aether_bus_round_trip_seconds_count{subject="room.*.*.control",outcome="unavailable"} 1"#,
        r#"aether_bus_handled_total{subject="room.acme.hall.control",outcome="ok"} 1"#,
        r#"aether_bus_handled_total{subject="room.acme.hall.control",outcome="overloaded"} 0"#,
    ] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
}

#[tokio::test]
async fn an_error_of_the_handler_arrives_as_it_was() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker
        .service(options("brain", 4))
        .request("embed.request", |_: Context, _: String| async move {
            Err::<(), _>(ErrorCode::LlmUnavailable.error("no model is loaded"))
        })
        .request("broken.request", |_: Context, _: String| async move {
            assert!(std::env::args().count() > 1000, "a bug in a handler");
            Ok(())
        });
    let _running = start(&worker, service).await;

    let caller = connect(&nats.url, "agent").await;
    let error = caller.request::<_, ()>(&context(), "embed.request", &"x").await.unwrap_err();
    assert!(matches!(&error, Error::Remote(remote) if remote.message == "no model is loaded"), "{error}");
    assert_eq!(error.code(), ErrorCode::LlmUnavailable);

    let error = caller.request::<_, ()>(&context(), "broken.request", &"x").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal, "a panic in a handler is an answer, not a silence: {error}");

    let error = caller.request::<_, ()>(&context(), "embed.request", &7).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
}

#[tokio::test]
async fn a_question_that_nobody_answers_fails_at_once() {
    let nats = testkit::nats().await;
    let caller = connect(&nats.url, "agent").await;
    let began = Instant::now();
    let error = caller.request::<_, ()>(&context(), "embed.request", &"x").await.unwrap_err();
    assert!(matches!(&error, Error::NoWorker { subject } if subject == "embed.request"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_deadline_holds_on_both_sides() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker.service(options("brain", 4)).request("embed.request", |_: Context, _: String| async move {
        std::future::pending::<()>().await;
        Ok(())
    });
    let running = start(&worker, service).await;

    let caller = connect(&nats.url, "agent").await;
    let began = Instant::now();
    let context = context().with_deadline(Duration::from_millis(200));
    let error = caller.request::<_, ()>(&context, "embed.request", &"x").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
    testkit::eventually("the worker gives up too", 2, || async { running.stats()[0].errors == 1 }).await;
}

#[tokio::test]
async fn a_full_worker_says_when_to_come_back() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let (sender, mut begun) = tokio::sync::mpsc::channel(4);
    let service = worker.service(options("brain", 1)).request("embed.request", move |_: Context, _: String| {
        let begun = sender.clone();
        async move {
            begun.send(()).await.unwrap();
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    let _running = start(&worker, service).await;

    let caller = connect(&nats.url, "agent").await;
    let busy = tokio::spawn({
        let caller = caller.clone();
        async move { caller.request::<_, ()>(&context(), "embed.request", &"x").await }
    });
    within(begun.recv()).await.unwrap();
    let error = caller.request::<_, ()>(&context(), "embed.request", &"x").await.unwrap_err();
    assert!(matches!(&error, Error::Remote(refused) if refused.retry_after_ms > 0), "{error}");
    assert_eq!(error.code(), ErrorCode::Overloaded);
    busy.abort();
}

#[tokio::test]
async fn a_request_without_its_headers_is_told_which() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service =
        worker.service(options("brain", 1)).request("embed.request", |_: Context, _: String| async { Ok(()) });
    let _running = start(&worker, service).await;

    let raw = raw(&nats.url).await;
    let reply = raw.request("embed.request", "\"x\"".into()).await.unwrap();
    assert_eq!(reply.headers.unwrap().get("Nats-Service-Error-Code").unwrap().as_str(), "400");
    let error: aether_proto::Error = serde_json::from_slice(&reply.payload).unwrap();
    assert!(error.message.contains("Aether-Tenant"), "{error}");
}

#[tokio::test]
async fn two_processes_of_a_service_share_its_work() {
    let nats = testkit::nats().await;
    let (one, two) = (connect(&nats.url, "brain").await, connect(&nats.url, "brain").await);
    let mut running = Vec::new();
    for worker in [&one, &two] {
        let me = worker.worker_name();
        let service = worker.service(options("brain", 100)).request("who.request", move |_: Context, (): ()| {
            let me = me.clone();
            async move { Ok(me) }
        });
        running.push(start(worker, service).await);
    }

    let caller = connect(&nats.url, "agent").await;
    let mut seen: HashSet<String> = HashSet::new();
    for _ in 0..100 {
        seen.insert(caller.request(&context(), "who.request", &()).await.unwrap());
    }
    assert_eq!(seen, HashSet::from([one.worker_name(), two.worker_name()]));

    let stopping = running.pop().unwrap();
    stopping.stop(Duration::from_secs(2)).await;
    for _ in 0..20 {
        let who: String = caller.request(&context(), "who.request", &()).await.unwrap();
        assert_eq!(who, one.worker_name(), "a stopped worker gets no more work");
    }
}

#[tokio::test]
async fn the_bus_starts_without_nats_and_finds_it_again_whenever_it_comes_back() {
    let mut nats = testkit::nats().await;
    nats.kill().await;
    let bus = aether_bus::Bus::connect(aether_bus::Options::new(&nats.url, "agent")).await.unwrap();
    let error = bus.request::<_, ()>(&context(), "embed.request", &"x").await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
    let service =
        bus.service(options("agent", 1)).request("echo.request", |_: Context, text: String| async { Ok(text) });
    let _running = service.start().await.unwrap();

    for _ in 0..2 {
        nats.restart().await;
        bus.connected().wait_for(|connected| *connected).await.unwrap();
        bus.ready(Duration::from_secs(5)).await.unwrap();
        let reply: String = bus.request(&context(), "echo.request", &"still here").await.unwrap();
        assert_eq!(reply, "still here");
        nats.kill().await;
        bus.connected().wait_for(|connected| !*connected).await.unwrap();
    }
}
