//! The connection itself: how it is described, whether it is well, and that nothing is left behind when it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aether_bus::{Bus, Context, Error, Options};
use aether_settings::{Loader, NatsSettings};
use aether_telemetry::{Health, State};
use aether_testkit as testkit;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::fixture::{connect, context, options, start, within};

#[test]
fn options_are_what_the_settings_say() {
    let written = [("NATS_URL", "nats://bus.example:4333"), ("NATS_USER", "ada"), ("NATS_PASSWORD", "hunter2")];
    let environment = |name: &str| written.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let settings = Loader::new(environment, None).load(NatsSettings::read).unwrap();
    let options = Options::from_settings("brain", &settings);
    assert_eq!((&*options.url, &*options.service), ("nats://bus.example:4333", "brain"));
    assert_eq!((options.user.as_deref(), options.password.as_deref()), (Some("ada"), Some("hunter2")));
    assert!(!format!("{options:?}").contains("hunter2"));

    let open = Loader::new(|_: &str| None, None).load(NatsSettings::read).unwrap();
    let options = Options::from_settings("brain", &open);
    assert_eq!((options.user, options.password), (None, None));
}

#[tokio::test]
async fn a_question_waits_for_the_server_no_longer_than_its_deadline() {
    let nobody = format!("nats://127.0.0.1:{}", testkit::free_port().unwrap());
    let patient = Options { connection_patience: Duration::from_secs(60), ..Options::new(&nobody, "agent") };
    let bus = Bus::connect(patient).await.unwrap();
    let context = context().with_deadline(Duration::from_millis(100));
    let asked = within(bus.request::<_, ()>(&context, "embed.request", &"x")).await;
    assert!(matches!(asked, Err(Error::Disconnected)), "{asked:?}");
}

#[tokio::test]
async fn its_health_follows_the_server_and_is_not_deceived_by_an_open_connection() {
    let mut nats = testkit::nats().await;
    nats.kill().await;
    let bus = Bus::connect(Options::new(&nats.url, "brain")).await.unwrap();
    let health = Health::new("brain", "1.2.3");
    let part = health.part("nats");
    let watching = tokio::spawn(async move { bus.watch(&part).await });
    let becomes = |state: State| {
        let health = &health;
        async move {
            let is_so = || async { health.report().parts[0].state == state };
            testkit::eventually(&format!("NATS is {state:?}"), 10, is_so).await;
            health.report().parts[0].detail.clone()
        }
    };

    testkit::eventually("somebody says why", 5, || async {
        let detail = health.report().parts[0].detail.clone();
        detail.starts_with("no connection to NATS; ") && detail.contains("Connection refused")
    })
    .await;
    nats.restart().await;
    assert_eq!(becomes(State::Up).await, "");
    nats.freeze();
    assert!(becomes(State::Down).await.starts_with("NATS does not answer: "));
    nats.thaw();
    becomes(State::Up).await;
    nats.kill().await;
    becomes(State::Waiting).await;
    watching.abort();
}

/// The worker's runtime ends right after `stop`, as a process does: what had not left by then never would.
#[tokio::test]
async fn what_a_stopping_service_says_last_has_left_when_it_has_stopped() {
    const ASKED: usize = 8;
    const LENGTH: usize = 900_000;
    let nats = testkit::nats().await;
    let (url, taken, stop, answer) =
        (nats.url.clone(), Arc::new(AtomicUsize::new(0)), CancellationToken::new(), CancellationToken::new());
    let (started, is_started) = oneshot::channel();
    let (taking, stopping, answering) = (Arc::clone(&taken), stop.clone(), answer.clone());
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bus = connect(&url, "brain").await;
            let service = bus.service(options("brain", ASKED)).request("last.request", move |_: Context, (): ()| {
                taking.fetch_add(1, Ordering::Relaxed);
                let answering = answering.clone();
                async move {
                    answering.cancelled().await;
                    Ok("x".repeat(LENGTH))
                }
            });
            let running = start(&bus, service).await;
            started.send(()).unwrap();
            stopping.cancelled().await;
            running.stop(Duration::from_secs(5)).await;
        });
    });
    within(is_started).await.unwrap();

    let caller = connect(&nats.url, "agent").await;
    let ask = || {
        let caller = caller.clone();
        async move { caller.request::<_, String>(&context(), "last.request", &()).await }
    };
    let asking: Vec<_> = (0..ASKED).map(|_| tokio::spawn(ask())).collect();
    testkit::eventually("all questions are taken", 5, || async { taken.load(Ordering::Relaxed) == ASKED }).await;
    stop.cancel();
    testkit::eventually("no more are", 5, || async { matches!(ask().await, Err(Error::NoWorker { .. })) }).await;
    answer.cancel();
    for asked in asking {
        assert_eq!(within(asked).await.unwrap().unwrap().len(), LENGTH);
    }
    worker.join().unwrap();
}
