//! Peers that die without a word: real processes, really killed.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aether_bus::{Call, CallOptions, Error, Frame, IncomingCall};
use aether_testkit as testkit;
use tokio::sync::mpsc;

use crate::fixture::{connect, context, options, start};

const KEEPALIVE: Duration = Duration::from_millis(400);
const TWO_KEEPALIVES: Duration = Duration::from_millis(800);
/// What the machine may add: two cores, shared by all tests.
const SLACK: Duration = Duration::from_millis(1000);
pub const URL: &str = "AETHER_BUS_TEST_URL";

/// Runs one of the ignored tests of this crate in a process of its own.
pub struct Peer(Child);

impl Peer {
    pub fn start(test: &str, url: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored"])
            .env(URL, url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL: nothing of it runs after this.
    pub fn kill(&mut self) -> Instant {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        Instant::now()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "runs in a process of its own, started by another test"]
async fn a_worker_to_be_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let bus = connect(&url, "brain").await;
    let service =
        bus.service(options("brain", 4)).call("brain.request", |call: IncomingCall<String, String>| async move {
            call.send(&"here I am".to_owned()).await?;
            call.cancelled().cancelled().await;
            Ok(())
        });
    let _running = start(&bus, service).await;
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "runs in a process of its own, started by another test"]
async fn a_caller_to_be_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let bus = connect(&url, "agent").await;
    let options = CallOptions { keepalive: KEEPALIVE, ..CallOptions::default() };
    let mut call: Call<String, String> = bus.call(&context(), "brain.request", &"x", options).await.unwrap();
    call.next().await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_worker_is_noticed_within_two_keepalives() {
    let nats = testkit::nats().await;
    let mut worker = Peer::start("lost_peers::a_worker_to_be_killed", &nats.url);
    let bus = connect(&nats.url, "agent").await;
    let options = CallOptions { keepalive: KEEPALIVE, ..CallOptions::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut call: Call<String, String> = loop {
        match bus.call(&context(), "brain.request", &"x", options.clone()).await {
            Ok(call) => break call,
            Err(error) => assert!(matches!(error, Error::NoWorker { .. }) && Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(matches!(call.next().await, Ok(Some(Frame::Message(_)))));
    let died = worker.kill();
    let error = call.next().await.unwrap_err();
    assert!(matches!(error, Error::PeerLost { .. }), "{error}");
    assert!(died.elapsed() < TWO_KEEPALIVES + SLACK, "noticed after {:?}", died.elapsed());
}

#[tokio::test]
async fn a_killed_caller_is_noticed_within_two_keepalives() {
    let nats = testkit::nats().await;
    let bus = connect(&nats.url, "brain").await;
    let (accepted_sender, mut accepted) = mpsc::channel(1);
    let (gone_sender, mut gone) = mpsc::channel(1);
    let service = bus.service(options("brain", 4)).call("brain.request", move |call: IncomingCall<String, String>| {
        let (accepted, gone) = (accepted_sender.clone(), gone_sender.clone());
        async move {
            call.send(&"hello".to_owned()).await?;
            accepted.send(()).await.unwrap();
            call.cancelled().cancelled().await;
            gone.send(()).await.unwrap();
            Ok(())
        }
    });
    let _running = start(&bus, service).await;
    let mut caller = Peer::start("lost_peers::a_caller_to_be_killed", &nats.url);
    accepted.recv().await.unwrap();
    let died = caller.kill();
    gone.recv().await.unwrap();
    assert!(died.elapsed() < TWO_KEEPALIVES + SLACK, "noticed after {:?}", died.elapsed());
}

#[tokio::test]
async fn keepalives_keep_a_silent_call_open() {
    let nats = testkit::nats().await;
    let _worker = Peer::start("lost_peers::a_worker_to_be_killed", &nats.url);
    let bus = connect(&nats.url, "agent").await;
    testkit::eventually("the worker is there", 10, || async {
        bus.call::<String, String>(&context(), "brain.request", &"x", CallOptions::default()).await.is_ok()
    })
    .await;
    let options =
        CallOptions { keepalive: Duration::from_millis(100), idle: Duration::from_secs(1), ..CallOptions::default() };
    let mut call: Call<String, String> = bus.call(&context(), "brain.request", &"x", options).await.unwrap();
    assert!(matches!(call.next().await, Ok(Some(_))));
    let error = call.next().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "ten keepalives later it is only idle: {error}");
}

#[tokio::test]
async fn calls_end_on_both_sides_when_nats_dies_and_new_ones_work_when_it_is_back() {
    let mut nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let (gone_sender, mut gone) = mpsc::channel(4);
    let service =
        worker.service(options("brain", 4)).call("brain.request", move |call: IncomingCall<String, String>| {
            let gone = gone_sender.clone();
            async move {
                call.send(&"hello".to_owned()).await?;
                call.cancelled().cancelled().await;
                gone.send(()).await.unwrap();
                Ok(())
            }
        });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    let options = CallOptions { keepalive: KEEPALIVE, ..CallOptions::default() };
    let mut call: Call<String, String> = caller.call(&context(), "brain.request", &"x", options.clone()).await.unwrap();
    assert!(matches!(call.next().await, Ok(Some(_))));

    nats.kill().await;
    let died = Instant::now();
    assert!(matches!(call.next().await, Err(Error::PeerLost { .. })));
    gone.recv().await.unwrap();
    assert!(died.elapsed() < TWO_KEEPALIVES + SLACK, "noticed after {:?}", died.elapsed());

    nats.restart().await;
    worker.ready(Duration::from_secs(5)).await.unwrap();
    caller.ready(Duration::from_secs(5)).await.unwrap();
    let mut call: Call<String, String> = caller.call(&context(), "brain.request", &"x", options).await.unwrap();
    assert!(matches!(call.next().await, Ok(Some(Frame::Message(text))) if text == "hello"));
}

#[tokio::test]
async fn a_call_outlives_a_reconnect_that_is_quicker_than_its_keepalives() {
    let mut nats = testkit::nats().await;
    let worker = connect(&nats.url, "brain").await;
    let service =
        worker.service(options("brain", 4)).call("echo.request", |mut call: IncomingCall<String, String>| async move {
            while let Some(Frame::Message(text)) = call.next().await {
                call.send(&text).await?;
            }
            Ok(())
        });
    let _running = start(&worker, service).await;
    let caller = connect(&nats.url, "agent").await;
    let patient = CallOptions { keepalive: Duration::from_secs(5), ..CallOptions::default() };
    let mut call: Call<String, String> = caller.call(&context(), "echo.request", &"x", patient).await.unwrap();
    nats.kill().await;
    nats.restart().await;
    worker.ready(Duration::from_secs(5)).await.unwrap();
    caller.ready(Duration::from_secs(5)).await.unwrap();
    call.send(&"still here".to_owned()).await.unwrap();
    assert!(matches!(call.next().await, Ok(Some(Frame::Message(text))) if text == "still here"));
}
