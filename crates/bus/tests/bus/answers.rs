//! Answering on a subject of one's own, and being seen to be gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aether_bus::{Answering, Bus, Context, Error};
use aether_proto::ErrorCode;
use aether_testkit as testkit;

use crate::fixture::{connect, context, within};
use crate::lost_peers::{Peer, URL};

const SUBJECT: &str = "room.acme.kitchen%2Etable.control";

async fn echo(bus: &Bus) -> Answering {
    let answering = bus.answer(SUBJECT, |_: Context, text: String| async { Ok(text) }).await.unwrap();
    bus.ready(Duration::from_secs(5)).await.unwrap();
    answering
}

/// What reaches a process in the moment of its death is never answered: so that it can be asked again soon, not for long.
async fn ask(bus: &Bus) -> Result<String, Error> {
    bus.request(&context().with_deadline(Duration::from_secs(2)), SUBJECT, &"are you there?").await
}

#[tokio::test]
async fn the_deadline_the_tenant_and_errors_travel_as_with_a_service() {
    let nats = testkit::nats().await;
    let holder = connect(&nats.url, "agent").await;
    let answering = holder
        .answer(SUBJECT, |context: Context, text: String| async move {
            let remaining = context.deadline().unwrap();
            assert!(remaining <= Duration::from_secs(3) && remaining > Duration::from_secs(2));
            match text.as_str() {
                "fail" => Err(ErrorCode::Conflict.error("somebody else has the floor")),
                "hang" => std::future::pending().await,
                _ => Ok((context.tenant.to_string(), text)),
            }
        })
        .await
        .unwrap();
    holder.ready(Duration::from_secs(5)).await.unwrap();
    assert_eq!(answering.subject(), SUBJECT);

    let asker = connect(&nats.url, "gateway").await;
    let context = context().with_deadline(Duration::from_secs(3));
    let ask = async |text: &str| asker.request::<_, (String, String)>(&context, SUBJECT, &text.to_owned()).await;
    assert_eq!(ask("hello").await.unwrap(), ("acme".to_owned(), "hello".to_owned()));
    assert_eq!(ask("fail").await.unwrap_err().code(), ErrorCode::Conflict);
    let began = Instant::now();
    assert_eq!(ask("hang").await.unwrap_err().code(), ErrorCode::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_dropped_guard_is_noticed_at_once() {
    let nats = testkit::nats().await;
    let (holder, asker) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let answering = echo(&holder).await;
    assert_eq!(ask(&asker).await.unwrap(), "are you there?");

    drop(answering);
    testkit::eventually("nobody answers", 2, || async { matches!(ask(&asker).await, Err(Error::NoWorker { .. })) })
        .await;

    let _again = echo(&holder).await;
    assert_eq!(ask(&asker).await.unwrap(), "are you there?", "the subject may be answered again");
}

#[tokio::test]
async fn what_was_asked_before_the_guard_was_dropped_is_still_answered() {
    let nats = testkit::nats().await;
    let (holder, asker) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let (go_on, may_go_on) = tokio::sync::watch::channel(false);
    let (sender, mut taken) = tokio::sync::mpsc::channel(8);
    let answering = holder
        .answer(SUBJECT, move |_: Context, text: String| {
            let (mut may_go_on, taken) = (may_go_on.clone(), sender.clone());
            async move {
                taken.send(()).await.unwrap();
                may_go_on.wait_for(|go_on| *go_on).await.unwrap();
                Ok(text)
            }
        })
        .await
        .unwrap();
    holder.ready(Duration::from_secs(5)).await.unwrap();
    let asking = tokio::spawn({
        let asker = asker.clone();
        async move { ask(&asker).await }
    });
    within(taken.recv()).await.unwrap();
    drop(answering);
    // One that crosses the guard's end may still be taken, and must not hold the test up.
    let briefly = || context().with_deadline(Duration::from_millis(100));
    testkit::eventually("nobody else is", 2, || async {
        let asked = asker.request::<_, String>(&briefly(), SUBJECT, &"and me?").await;
        matches!(asked, Err(Error::NoWorker { .. }))
    })
    .await;
    go_on.send(true).unwrap();
    assert_eq!(within(asking).await.unwrap().unwrap(), "are you there?");
}

#[tokio::test]
async fn only_so_many_questions_are_worked_on_at_once() {
    let nats = testkit::nats().await;
    let (holder, asker) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let busy = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&busy);
    let _answering = holder
        .answer(SUBJECT, move |_: Context, _: String| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<String, aether_proto::Error>>()
        })
        .await
        .unwrap();
    holder.ready(Duration::from_secs(5)).await.unwrap();
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let asker = asker.clone();
            tokio::spawn(async move { ask(&asker).await })
        })
        .collect();
    testkit::eventually("all are taken", 5, || async { busy.load(Ordering::Relaxed) == 16 }).await;
    let error = ask(&asker).await.unwrap_err();
    assert!(matches!(&error, Error::Remote(refused) if refused.retry_after_ms > 0), "{error}");
    assert_eq!(error.code(), ErrorCode::Overloaded);
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
#[ignore = "runs in a process of its own, started by another test"]
async fn an_answerer_to_be_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let bus = connect(&url, "agent").await;
    let _answering = echo(&bus).await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_process_is_noticed_at_once() {
    let nats = testkit::nats().await;
    let asker = connect(&nats.url, "gateway").await;
    let mut holder = Peer::start("answers::an_answerer_to_be_killed", &nats.url);
    testkit::eventually("it answers", 10, || async { ask(&asker).await.is_ok() }).await;

    holder.kill();
    // Long before NATS would miss a sign of life.
    testkit::eventually("nobody answers", 5, || async { matches!(ask(&asker).await, Err(Error::NoWorker { .. })) })
        .await;
}

#[tokio::test]
async fn it_outlives_nats_and_a_guard_dropped_meanwhile_stays_dropped() {
    let mut nats = testkit::nats().await;
    let (holder, asker) = (connect(&nats.url, "agent").await, connect(&nats.url, "gateway").await);
    let answering = echo(&holder).await;
    for _ in 0..2 {
        nats.kill().await;
        asker.connected().wait_for(|connected| !*connected).await.unwrap();
        assert!(matches!(ask(&asker).await, Err(Error::Disconnected)), "NATS being away is not a holder being gone");
        nats.restart().await;
        holder.ready(Duration::from_secs(5)).await.unwrap();
        asker.ready(Duration::from_secs(5)).await.unwrap();
        assert_eq!(ask(&asker).await.unwrap(), "are you there?");
    }
    nats.kill().await;
    holder.connected().wait_for(|connected| !*connected).await.unwrap();
    drop(answering);
    nats.restart().await;
    holder.ready(Duration::from_secs(5)).await.unwrap();
    asker.ready(Duration::from_secs(5)).await.unwrap();
    testkit::eventually("nobody answers", 5, || async { matches!(ask(&asker).await, Err(Error::NoWorker { .. })) })
        .await;
}
