use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_bus::{AudioFrame, Bus, Call, CallOptions, Error, Frame, IncomingCall};
use aether_proto::ErrorCode;
use aether_testkit as testkit;
use futures::StreamExt;
use tokio::sync::{Mutex, mpsc};

use crate::fixture::{connect, context, options, raw, settle, start, within};

type Echo = Call<String, String>;

/// Repeats what it is told until it hears `stop`, says `gone` on the channel once it is cancelled.
async fn parrot(
    mut call: IncomingCall<String, String>,
    gone: mpsc::Sender<Instant>,
) -> Result<(), aether_proto::Error> {
    call.send(&format!("open {}", call.open())).await?;
    while let Some(frame) = call.next().await {
        match frame {
            Frame::Message(text) if text == "stop" => return Ok(()),
            Frame::Message(text) if text == "fail" => return Err(ErrorCode::NotFound.error("no such word")),
            Frame::Message(text) => call.send(&text).await?,
            Frame::Audio(audio) => call.send_audio(audio).await?,
        }
    }
    call.cancelled().cancelled().await;
    let _ = gone.send(Instant::now()).await;
    Ok(())
}

struct Parrot {
    _running: aether_bus::RunningService,
    gone: mpsc::Receiver<Instant>,
    caller: Bus,
}

async fn parrots(url: &str, max_calls: usize) -> Parrot {
    let worker = connect(url, "brain").await;
    let (sender, gone) = mpsc::channel(8);
    let service =
        worker.service(options("brain", max_calls)).call("brain.request", move |call| parrot(call, sender.clone()));
    let _running = start(&worker, service).await;
    Parrot { _running, gone, caller: connect(url, "agent").await }
}

async fn open(bus: &Bus, options: CallOptions) -> Result<Echo, Error> {
    bus.call(&context(), "brain.request", &"hello", options).await
}

async fn message(call: &mut Echo) -> String {
    match call.next().await {
        Ok(Some(Frame::Message(text))) => text,
        other => panic!("expected a message: {other:?}"),
    }
}

#[tokio::test]
async fn a_conversation_goes_both_ways_and_ends_well() {
    let nats = testkit::nats().await;
    let mut parrot = parrots(&nats.url, 4).await;
    let mut call = open(&parrot.caller, CallOptions::default()).await.unwrap();
    assert!(call.worker().starts_with("brain/"));
    assert_eq!(message(&mut call).await, "open hello");
    call.send(&"one".to_owned()).await.unwrap();
    assert_eq!(message(&mut call).await, "one");
    let sender = call.sender();
    sender.send(&"two".to_owned()).await.unwrap();
    assert_eq!(message(&mut call).await, "two");
    sender.send(&"stop".to_owned()).await.unwrap();
    assert!(matches!(call.next().await, Ok(None)));
    assert!(matches!(call.next().await, Ok(None)), "the end stays the end");
    assert!(sender.send(&"late".to_owned()).await.is_err() || parrot.gone.try_recv().is_err());
}

#[tokio::test]
async fn an_error_ends_the_call_and_stays() {
    let nats = testkit::nats().await;
    let parrot = parrots(&nats.url, 4).await;
    let mut call = open(&parrot.caller, CallOptions::default()).await.unwrap();
    call.send(&"fail".to_owned()).await.unwrap();
    assert_eq!(message(&mut call).await, "open hello");
    for _ in 0..2 {
        let error = call.next().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{error}");
    }
}

#[tokio::test]
async fn audio_travels_raw_and_below_its_own_prefix() {
    let nats = testkit::nats().await;
    let parrot = parrots(&nats.url, 4).await;
    let raw = raw(&nats.url).await;
    let mut everything = raw.subscribe(">").await.unwrap();
    settle(&raw).await;

    let options = CallOptions { audio_output: true, audio_input: true, ..CallOptions::default() };
    let mut call = open(&parrot.caller, options).await.unwrap();
    assert_eq!(message(&mut call).await, "open hello");
    let sent = AudioFrame { sample_rate_hz: 22_050, channels: 1, pcm: vec![1, 2, 3, 4].into() };
    call.send_audio(sent.clone()).await.unwrap();
    assert!(matches!(call.next().await, Ok(Some(Frame::Audio(back))) if back == sent));

    let mut audio_frames = 0;
    while audio_frames < 2 {
        let message = within(everything.next()).await.unwrap();
        if message.payload[..] == [1, 2, 3, 4] {
            assert!(message.subject.starts_with("audio."), "{}", message.subject);
            audio_frames += 1;
        }
    }
}

#[tokio::test]
async fn output_is_bounded_by_credit() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let sent = Arc::new(Mutex::new(0u32));
    let counting = Arc::clone(&sent);
    let service = worker.service(options("brain", 1)).call("count.request", move |call: IncomingCall<(), u32>| {
        let sent = Arc::clone(&counting);
        async move {
            for number in 0..1000 {
                call.send(&number).await?;
                *sent.lock().await = number + 1;
            }
            Ok(())
        }
    });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    let mut call: Call<(), u32> = caller
        .call(&context(), "count.request", &(), CallOptions { credit: 10, ..CallOptions::default() })
        .await
        .unwrap();
    testkit::eventually("the credit is used up", 2, || async { *sent.lock().await == 10 }).await;
    caller.ready(Duration::from_secs(1)).await.unwrap();
    assert_eq!(*sent.lock().await, 10);
    for number in 0..1000 {
        assert!(matches!(call.next().await, Ok(Some(Frame::Message(got))) if got == number));
    }
    assert!(matches!(call.next().await, Ok(None)));
}

#[tokio::test]
async fn a_cancel_reaches_the_worker_within_50_ms() {
    let nats = testkit::nats().await;
    let mut parrot = parrots(&nats.url, 4).await;
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let mut call = open(&parrot.caller, CallOptions::default()).await.unwrap();
        assert_eq!(message(&mut call).await, "open hello");
        let began = Instant::now();
        if round % 2 == 0 {
            call.cancel();
            assert!(matches!(call.next().await, Err(Error::Cancelled { .. })));
        } else {
            drop(call);
        }
        slowest = slowest.max(within(parrot.gone.recv()).await.unwrap() - began);
    }
    assert!(slowest < Duration::from_millis(50), "the slowest of 20 took {slowest:?}");
}

#[tokio::test]
async fn a_full_worker_refuses_and_takes_the_next_call_when_one_has_ended() {
    let nats = testkit::nats().await;
    let parrot = parrots(&nats.url, 1).await;
    let first = open(&parrot.caller, CallOptions::default()).await.unwrap();
    let error = open(&parrot.caller, CallOptions::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Remote(refused) if refused.retry_after_ms > 0), "{error}");
    assert_eq!(error.code(), ErrorCode::Overloaded);
    drop(first);
    testkit::eventually("the place is free again", 2, || async {
        open(&parrot.caller, CallOptions::default()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn first_reply_idle_and_deadline_are_limits_of_their_own() {
    let nats = testkit::nats().await;
    let mut parrot = parrots(&nats.url, 4).await;

    let raw = raw(&nats.url).await;
    let _deaf = raw.subscribe("deaf.request").await.unwrap();
    settle(&raw).await;
    let hasty = CallOptions { first_reply: Duration::from_millis(100), ..CallOptions::default() };
    let error = parrot.caller.call::<String, String>(&context(), "deaf.request", &"x", hasty).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { what: "a worker's answer", .. }), "{error}");

    let error = parrot.caller.call::<String, String>(&context(), "nobody.request", &"x", CallOptions::default()).await;
    assert!(matches!(error.unwrap_err(), Error::NoWorker { .. }));

    let impatient = CallOptions { idle: Duration::from_millis(100), ..CallOptions::default() };
    let mut call = open(&parrot.caller, impatient).await.unwrap();
    assert_eq!(message(&mut call).await, "open hello");
    assert!(matches!(call.next().await, Err(Error::TimedOut { what: "the next frame of the call", .. })));
    within(parrot.gone.recv()).await.unwrap();

    let context = context().with_deadline(Duration::from_millis(200));
    let mut call: Echo = parrot.caller.call(&context, "brain.request", &"x", CallOptions::default()).await.unwrap();
    assert_eq!(message(&mut call).await, "open x");
    assert_eq!(call.next().await.unwrap_err().code(), ErrorCode::DeadlineExceeded);
    within(parrot.gone.recv()).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_acceptance_leaves_no_work_behind() {
    let nats = testkit::nats().await;
    let caller = connect(&nats.url, "agent").await;
    let raw = raw(&nats.url).await;
    let mut requests = raw.subscribe("slow.request").await.unwrap();
    let mut input = raw.subscribe("slow.input").await.unwrap();
    settle(&raw).await;

    let hasty = CallOptions { first_reply: Duration::from_millis(50), ..CallOptions::default() };
    assert!(caller.call::<(), ()>(&context(), "slow.request", &(), hasty).await.is_err());
    let opened = within(requests.next()).await.unwrap();
    say(&raw, &opened.reply.unwrap(), "accepted", 0, r#"{"inputSubject":"slow.input","worker":"slow/1"}"#).await;
    let told = within(input.next()).await.unwrap();
    assert_eq!(told.headers.unwrap().get("Aether-Frame").unwrap().as_str(), "cancel");
}

#[tokio::test]
async fn a_missing_frame_is_an_error_on_both_sides() {
    let nats = testkit::nats().await;
    let raw = raw(&nats.url).await;

    // A worker that loses a frame.
    let caller = connect(&nats.url, "agent").await;
    let mut requests = raw.subscribe("lossy.request").await.unwrap();
    let mut input = raw.subscribe("lossy.input").await.unwrap();
    settle(&raw).await;
    let lossy = tokio::spawn({
        let raw = raw.clone();
        async move {
            let inbox = within(requests.next()).await.unwrap().reply.unwrap();
            say(&raw, &inbox, "accepted", 0, r#"{"inputSubject":"lossy.input","worker":"lossy/1"}"#).await;
            say(&raw, &inbox, "message", 1, "\"one\"").await;
            say(&raw, &inbox, "message", 3, "\"three\"").await;
        }
    });
    let mut call: Echo = caller.call(&context(), "lossy.request", &"x", CallOptions::default()).await.unwrap();
    assert_eq!(message(&mut call).await, "one");
    assert!(matches!(call.next().await, Err(Error::Gap { expected: 2, got: 3 })));
    lossy.await.unwrap();
    let told = within(input.next()).await.unwrap();
    assert_eq!(told.headers.unwrap().get("Aether-Frame").unwrap().as_str(), "cancel", "the worker is told to stop");

    // A caller that loses a frame.
    let mut parrot = parrots(&nats.url, 4).await;
    let mut inbox = raw.subscribe("lossy.inbox").await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in [
        ("Aether-Frame", "open"),
        ("Aether-Sequence", "0"),
        ("Aether-Credit", "8"),
        ("Aether-Tenant", "acme"),
        ("Aether-Agent", "ada"),
        ("Aether-Request", "018f3c2e-0000-7000-8000-000000000000"),
    ] {
        headers.insert(name, value);
    }
    raw.publish_with_reply_and_headers("brain.request", "lossy.inbox", headers, "\"x\"".into()).await.unwrap();
    let accepted: aether_proto::Accepted =
        serde_json::from_slice(&within(inbox.next()).await.unwrap().payload).unwrap();
    say(&raw, &accepted.input_subject, "message", 2, "\"two\"").await;
    within(parrot.gone.recv()).await.unwrap();
    let end = loop {
        let frame = within(inbox.next()).await.unwrap();
        if frame.headers.as_ref().unwrap().get("Aether-Frame").unwrap().as_str() == "end" {
            break String::from_utf8(frame.payload.to_vec()).unwrap();
        }
    };
    assert!(end.contains("protocol") && end.contains("expected frame 1"), "{end}");
}

async fn say(raw: &async_nats::Client, subject: &str, frame: &str, sequence: u64, payload: &str) {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Aether-Frame", frame);
    headers.insert("Aether-Sequence", sequence.to_string());
    raw.publish_with_headers(subject.to_owned(), headers, payload.to_owned().into()).await.unwrap();
}

#[tokio::test]
async fn input_that_nobody_reads_and_rubbish_both_end_the_call() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service = worker
        .service(options("brain", 4))
        .call("deaf.request", |call: IncomingCall<String, String>| async move {
            call.cancelled().cancelled().await;
            Ok(())
        })
        .call("numbers.request", |mut call: IncomingCall<u32, u32>| async move {
            while call.next().await.is_some() {}
            call.cancelled().cancelled().await;
            Ok(())
        });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;

    let mut call: Echo = caller.call(&context(), "deaf.request", &"x", CallOptions::default()).await.unwrap();
    for _ in 0..1100 {
        let _ = call.send(&"into the void".to_owned()).await;
    }
    assert_eq!(call.next().await.unwrap_err().code(), ErrorCode::Overloaded);

    let mut call: Echo = caller.call(&context(), "numbers.request", &1, CallOptions::default()).await.unwrap();
    call.send(&"not a number".to_owned()).await.unwrap();
    assert_eq!(call.next().await.unwrap_err().code(), ErrorCode::Protocol);

    let refused = caller.call::<String, String>(&context(), "numbers.request", &"x", CallOptions::default()).await;
    let error = match refused {
        Err(error) => error,
        Ok(mut call) => call.next().await.unwrap_err(),
    };
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn stopping_a_service_lets_calls_finish_and_then_cancels_them() {
    let nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let (sender, _gone) = mpsc::channel(8);
    let service = worker.service(options("brain", 4)).call("brain.request", move |call| parrot(call, sender.clone()));
    let running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    let mut finishes = open(&caller, CallOptions::default()).await.unwrap();
    let mut lingers = open(&caller, CallOptions::default()).await.unwrap();
    assert_eq!(message(&mut finishes).await, "open hello");
    assert_eq!(message(&mut lingers).await, "open hello");

    let stopping = tokio::spawn(running.stop(Duration::from_millis(500)));
    testkit::eventually("no new call is taken", 2, || async {
        matches!(open(&caller, CallOptions::default()).await, Err(Error::NoWorker { .. }))
    })
    .await;
    finishes.send(&"still there?".to_owned()).await.unwrap();
    assert_eq!(message(&mut finishes).await, "still there?");
    finishes.send(&"stop".to_owned()).await.unwrap();
    assert!(matches!(finishes.next().await, Ok(None)));
    assert!(matches!(lingers.next().await, Err(Error::Cancelled { reason }) if reason == "the service is stopping"));
    stopping.await.unwrap();
}
