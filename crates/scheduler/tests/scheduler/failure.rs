//! What becomes of jobs when something dies.

use std::time::Duration;

use aether_proto::{ErrorCode, JobAction, JobId, KernelRequest, PersonId};
use aether_store::{JobChange, NewJob};
use aether_testkit as testkit;

use crate::house::{House, id, nothing};

/// A job of a kind that nobody knows: it can't be done, however often it is tried.
async fn submit_unknown_kind(house: &House) -> JobId {
    let job = NewJob {
        job: JobId::generate(),
        agent: house.context.agent.clone(),
        kind: "from the future".to_owned(),
        modality: "text",
        person: Some(PersonId::new("ada").unwrap()),
        session: None,
        payload: serde_json::Value::Null,
        priority: 3,
        pool: "background",
        idempotency_key: "k".to_owned(),
        schedule: None,
        due_at: None,
        patience: Duration::from_secs(1),
        expires_at: None,
        states: vec!["PENDING", "SCHEDULED"],
        traceparent: None,
    };
    let id = job.job;
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    transaction.insert_jobs(&[job]).await.unwrap();
    transaction.commit().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_waits_for_a_person_who_replays_or_cancels_it() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let job = submit_unknown_kind(&house).await;
    house.until(job, "HUMAN_REVIEW").await;
    assert!(house.job(job).await.reason.contains("no job of the kind"), "{:?}", house.job(job).await);
    let given_up = ["PENDING", "SCHEDULED", "EXECUTING", "FAILED", "ESCALATED", "HUMAN_REVIEW"];
    assert_eq!(house.states(job).await, given_up);
    assert_eq!(house.control(job, JobAction::Retry).await.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(house.control(job, JobAction::Replay).await.unwrap(), 1);
    testkit::eventually("it is given up again", 20, || async { house.states(job).await.len() == 11 }).await;
    assert_eq!(house.states(job).await[6..], ["SCHEDULED", "EXECUTING", "FAILED", "ESCALATED", "HUMAN_REVIEW"]);
    assert_eq!(house.job(job).await.attempt, 2);
    assert_eq!(house.control(job, JobAction::Cancel).await.unwrap(), 1);
    assert_eq!(house.job(job).await.state, "ROLLED_BACK");
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_died_is_done_by_another_once() {
    let house = House::build().await;
    // Nobody is there yet who would do it.
    let first = house.scheduler_with(|options| options.look = Duration::from_secs(600)).await;
    let job = id(&house.submit(KernelRequest { due_unix_ms: 4_000_000_000_000, ..nothing() }).await.unwrap());
    first.kill();
    // A worker takes it, and is never heard of again.
    let key = [(house.context.tenant.to_string(), job)];
    let claimed = house.store.claim_jobs(&key, "somebody who dies", Duration::from_millis(300)).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].attempt), (1, 1));
    assert!(house.store.claim_jobs(&key, "another", Duration::from_secs(1)).await.unwrap().is_empty());

    let scheduler = house.scheduler().await;
    house.until(job, "COMMITTED").await;
    let states = house.states(job).await;
    assert_eq!(
        states,
        ["PENDING", "SCHEDULED", "EXECUTING", "FAILED", "RETRYING", "SCHEDULED", "EXECUTING", "VERIFYING", "COMMITTED"]
    );
    assert_eq!((house.job(job).await.attempt, house.job(job).await.failures), (2, 1));
    // The dead one comes back with its result: it changes nothing.
    let late = JobChange {
        job,
        from: "EXECUTING".to_owned(),
        from_attempt: 1,
        states: vec!["VERIFYING", "COMMITTED"],
        attempt: 1,
        failures: 0,
        due_in: None,
        forgets_deadline: false,
        reason: String::new(),
        result: Some(serde_json::json!("late")),
    };
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    assert!(transaction.change_jobs(&[late]).await.unwrap().is_empty());
    transaction.commit().await.unwrap();
    assert_eq!(house.states(job).await, states);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_wait_for_the_next_try_need_not() {
    let house = House::build().await;
    let idle = house.scheduler_with(|options| options.look = Duration::from_secs(600)).await;
    let job = id(&house.submit(KernelRequest { due_unix_ms: 4_000_000_000_000, ..nothing() }).await.unwrap());
    let key = [(house.context.tenant.to_string(), job)];
    house.store.claim_jobs(&key, "somebody who fails", Duration::from_secs(60)).await.unwrap();
    let failed = JobChange {
        job,
        from: "EXECUTING".to_owned(),
        from_attempt: 1,
        states: vec!["FAILED", "RETRYING"],
        attempt: 1,
        failures: 1,
        due_in: Some(Duration::from_secs(3_600)),
        forgets_deadline: false,
        reason: "the weather".to_owned(),
        result: None,
    };
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    assert_eq!(transaction.change_jobs(&[failed]).await.unwrap(), [job]);
    transaction.commit().await.unwrap();
    assert_eq!(house.control(job, JobAction::Retry).await.unwrap(), 1);
    house.until(job, "COMMITTED").await;
    idle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_before_its_deadline_and_not_begun_is_given_up() {
    let house = House::build().await;
    let now = i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap();
    let scheduler = house.scheduler().await;
    let reply = house.submit(KernelRequest { expires_unix_ms: now - 1_000, ..nothing() }).await.unwrap();
    house.until(id(&reply), "HUMAN_REVIEW").await;
    assert!(house.job(id(&reply)).await.reason.contains("deadline"));
    // A person wants it all the same.
    assert_eq!(house.control(id(&reply), JobAction::Replay).await.unwrap(), 1);
    house.until(id(&reply), "COMMITTED").await;
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_taken_and_nothing_that_was_taken_is_lost() {
    let mut house = House::build().await;
    let scheduler = house.scheduler().await;
    let before: Vec<_> = futures::future::join_all((0..50).map(|_| house.submit(nothing()))).await;
    house.postgres.kill().await;
    let refused = house.submit(nothing()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::StoreUnavailable, "{refused}");
    testkit::eventually("it says that it is not ready", 20, || async { !scheduler.health.is_ready() }).await;
    house.postgres.restart().await;
    testkit::eventually("it is ready again", 30, || async { scheduler.health.is_ready() }).await;
    for reply in before {
        let job = id(&reply.unwrap());
        house.until(job, "COMMITTED").await;
        let committed = house.states(job).await.iter().filter(|state| *state == "COMMITTED").count();
        assert_eq!(committed, 1);
    }
    house.submit(nothing()).await.unwrap();
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_is_refused_with_the_reason() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    for (request, reason) in [
        (KernelRequest::default(), "there is no job of the kind \"\""),
        (KernelRequest { kind: "reminder".into(), ..nothing() }, "is for somebody"),
        (KernelRequest { payload: "{".into(), ..nothing() }, "no JSON"),
    ] {
        let refused = house.submit(request).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArgument);
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    scheduler.stop().await;
}
