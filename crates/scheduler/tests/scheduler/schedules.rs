//! What is done again and again.

use std::time::Duration;

use aether_proto::{ErrorCode, JobAction, JobId, KernelRequest, MissedRuns, Recurrence};
use aether_store::NewSchedule;
use aether_testkit as testkit;
use time::OffsetDateTime;

use crate::house::{House, id, nothing};

/// A schedule that nobody looked at for so long.
async fn overdue(house: &House, missed: &'static str, by: Duration) -> JobId {
    let new = NewSchedule {
        schedule: JobId::generate(),
        agent: house.context.agent.clone(),
        kind: "nothing".to_owned(),
        modality: "text",
        person: None,
        session: None,
        payload: serde_json::Value::Null,
        priority: 3,
        idempotency_key: missed.to_owned(),
        cron: "*/10 * * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        missed,
        next_at: OffsetDateTime::now_utc() - by,
    };
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    transaction.insert_schedule(&new).await.unwrap();
    transaction.commit().await.unwrap();
    new.schedule
}

async fn next_of(house: &House, schedule: JobId) -> Option<OffsetDateTime> {
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    let schedules = transaction.schedules(&house.context.agent, None, None, 10).await.unwrap();
    schedules.into_iter().find(|row| row.schedule == schedule).and_then(|row| row.next_at)
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_were_missed_are_made_up_for_once_or_not_at_all_however_many_look() {
    let house = House::build().await;
    let once = overdue(&house, "run_once", Duration::from_secs(7_200)).await;
    // So late that the last planned run is a while ago, too.
    let skipped = overdue(&house, "skip", Duration::from_secs(7_200)).await;
    let schedulers = [house.scheduler().await, house.scheduler().await, house.scheduler().await];
    for schedule in [once, skipped] {
        testkit::eventually("it is planned anew", 20, || async {
            next_of(&house, schedule).await.is_some_and(|next| next > OffsetDateTime::now_utc())
        })
        .await;
    }
    testkit::eventually("the run is done", 20, || async {
        house.jobs(&house.context.tenant).await.iter().any(|job| job.state == "COMMITTED" && job.schedule == Some(once))
    })
    .await;
    let jobs = house.jobs(&house.context.tenant).await;
    let runs = |schedule| jobs.iter().filter(|job| job.schedule == Some(schedule)).count();
    assert_eq!(runs(once), 1, "one run makes up for all");
    // Whoever starts within a minute after a planned time has not missed that one.
    assert!(runs(skipped) <= 1);
    for scheduler in schedulers {
        scheduler.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_taken_checked_and_ended() {
    let house = House::build().await;
    let scheduler = house.scheduler().await;
    let plan = |cron: &str, zone: &str| KernelRequest {
        recurrence: Some(Recurrence {
            cron: cron.to_owned(),
            time_zone: zone.to_owned(),
            missed: MissedRuns::Skip.into(),
        }),
        ..nothing()
    };
    let schedule = id(&house.submit(plan("0 9 * * 1", "Europe/Berlin")).await.unwrap());
    let next = next_of(&house, schedule).await.unwrap();
    assert_eq!(next.weekday(), time::Weekday::Monday);
    assert!([7, 8].contains(&next.hour()), "nine in Berlin: {next}");
    assert_eq!(house.control(schedule, JobAction::Cancel).await.unwrap(), 1);
    assert_eq!(next_of(&house, schedule).await, None);
    assert_eq!(house.control(schedule, JobAction::Cancel).await.unwrap_err().code(), ErrorCode::NotFound);
    for (cron, zone, reason) in
        [("0 0 30 2 *", "UTC", ""), ("61 * * * *", "", "no cron line"), ("* * * * *", "Nowhere", "no time zone")]
    {
        let refused = house.submit(plan(cron, zone)).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{refused}");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_is_forgotten_and_what_has_not_ended_is_not() {
    let house = House::build().await;
    let scheduler = house.scheduler_with(|options| options.kept = Duration::ZERO).await;
    let later = KernelRequest { due_unix_ms: 4_000_000_000_000, ..nothing() };
    let (ended, waiting) = (id(&house.submit(nothing()).await.unwrap()), id(&house.submit(later).await.unwrap()));
    house.until(ended, "COMMITTED").await;
    let mut transaction = house.store.tenant(&house.context.tenant).await.unwrap();
    let planned = transaction.schedules(&house.context.agent, None, Some("retention"), 10).await.unwrap();
    assert_eq!(planned.len(), 1, "from the first job on");
    drop(transaction);
    let sweep = id(&house.submit(KernelRequest { kind: "retention".to_owned(), ..nothing() }).await.unwrap());
    house.until(sweep, "COMMITTED").await;
    let left: Vec<_> = house.jobs(&house.context.tenant).await.into_iter().map(|job| job.job).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&sweep) && left.contains(&waiting));
    assert_eq!(house.job(sweep).await.result.unwrap()["forgotten"], 1);
    scheduler.stop().await;
}
