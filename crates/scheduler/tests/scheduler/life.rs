//! A job from its submission to its end.

use std::collections::BTreeMap;

use aether_proto::{
    ErrorCode, JobAction, JobControl, JobControlReply, KernelEvent, KernelRequest, SessionId, job_control, subject,
};
use aether_testkit as testkit;

use crate::house::{House, id, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_through_all_states_and_each_is_kept_and_told() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let mut events = house.bus.subscribe::<KernelEvent>("jobs.events.*").await.unwrap();
    house.bus.ready(std::time::Duration::from_secs(5)).await.unwrap();
    let job = id(&house.submit(nothing()).await.unwrap());
    house.until(job, "COMMITTED").await;
    assert_eq!(house.states(job).await, ["PENDING", "SCHEDULED", "EXECUTING", "VERIFYING", "COMMITTED"]);
    let mut told = Vec::new();
    while told.last().map(String::as_str) != Some("COMMITTED") {
        let event = events.next().await.unwrap().unwrap().message;
        assert_eq!(event.job_id, job.to_string());
        told.push(event.state().as_str_name().to_owned());
    }
    assert_eq!(told, ["EXECUTING", "VERIFYING", "COMMITTED"]);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_twice_is_one_job() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let request = KernelRequest { idempotency_key: "once".to_owned(), ..nothing() };
    let all = futures::future::join_all((0..20).map(|_| house.submit(request.clone()))).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|reply| !reply.existed).count(), 1);
    assert!(all.iter().all(|reply| reply.job_id == all[0].job_id));
    // Another tenant's key is another key.
    let other = house.submit_as(&house.tenant("globex"), request).await.unwrap();
    assert!(!other.existed && other.job_id != all[0].job_id);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_schedulers_each_does_a_part_and_none_does_what_the_other_did() {
    let house = House::build().await;
    let (one, two) = (house.scheduler().await, house.scheduler().await);
    let tenants = ["acme", "globex"].map(|name| house.tenant(name));
    let asked = (0..300).map(|number| house.submit_as(&tenants[number % 2], nothing()));
    for reply in futures::future::join_all(asked).await {
        reply.unwrap();
    }
    for tenant in &tenants {
        testkit::eventually("all are done", 30, || async {
            house.jobs(&tenant.tenant).await.iter().all(|job| job.state == "COMMITTED")
        })
        .await;
        let jobs = house.jobs(&tenant.tenant).await;
        assert_eq!(jobs.len(), 150);
        assert!(jobs.iter().all(|job| (job.attempt, job.failures) == (1, 0)));
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_is_not_done() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let later = KernelRequest { due_unix_ms: 4_000_000_000_000, ..nothing() };
    let job = id(&house.submit(later.clone()).await.unwrap());
    assert_eq!(house.control(job, JobAction::Cancel).await.unwrap(), 1);
    assert_eq!(house.states(job).await, ["PENDING", "SCHEDULED", "COMPENSATING", "ROLLED_BACK"]);
    let refused = house.control(job, JobAction::Cancel).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict, "{refused}");
    let unknown = house.control(aether_proto::JobId::generate(), JobAction::Cancel).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::NotFound, "{unknown}");

    // All of a session, and nothing else.
    let session = SessionId::generate();
    let of_session = KernelRequest { session_id: session.to_string(), ..later.clone() };
    for _ in 0..3 {
        house.submit(of_session.clone()).await.unwrap();
    }
    let other = id(&house.submit(later).await.unwrap());
    let wish = JobControl {
        what: Some(job_control::What::SessionId(session.to_string())),
        action: JobAction::Cancel.into(),
        person_id: String::new(),
    };
    let reply: JobControlReply = house.bus.request(&house.context, subject::JOBS_CONTROL, &wish).await.unwrap();
    assert_eq!(reply.changed, 3);
    assert_eq!(house.job(other).await.state, "SCHEDULED");
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_kept_waiting_by_who_asks_for_much() {
    let house = House::build().await;
    let (many, few) = (house.tenant("acme"), house.tenant("globex"));
    let first = house.scheduler_with(|options| options.workers_background = 1).await;
    // None is begun before all are there.
    let due = time::OffsetDateTime::now_utc() + std::time::Duration::from_secs(6);
    let due_unix_ms = i64::try_from(due.unix_timestamp_nanos() / 1_000_000).unwrap();
    let later = KernelRequest { due_unix_ms, ..nothing() };
    let asked = (0..400).map(|_| house.submit_as(&many, later.clone()));
    futures::future::join_all(asked).await;
    let late: Vec<_> = futures::future::join_all((0..3).map(|_| house.submit_as(&few, later.clone()))).await;
    assert!(late.iter().all(Result::is_ok));
    for context in [&many, &few] {
        testkit::eventually("all are done", 30, || async {
            house.jobs(&context.tenant).await.iter().all(|job| job.state == "COMMITTED")
        })
        .await;
    }
    // Those that came last were done before the last of those that came first.
    let ended = |jobs: Vec<aether_store::JobRow>| jobs.into_iter().map(|job| job.updated_at).max().unwrap();
    assert!(ended(house.jobs(&few.tenant).await) < ended(house.jobs(&many.tenant).await));
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_waits_is_told_by_pool_and_state() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    for _ in 0..3 {
        house.submit(KernelRequest { due_unix_ms: 4_000_000_000_000, ..nothing() }).await.unwrap();
    }
    let queues: BTreeMap<_, _> = house
        .store
        .job_queues()
        .await
        .unwrap()
        .into_iter()
        .map(|queue| ((queue.pool, queue.state), queue.jobs))
        .collect();
    assert_eq!(queues, BTreeMap::from([(("background".to_owned(), "SCHEDULED".to_owned()), 3)]));
    scheduler.stop().await;
}
