//! What is done beside conversations, for those whom it concerns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aether_identity::Scopes;
use aether_proto::{AgentId, JobAction, JobControl, JobControlReply, JobId, PersonId, job_control, subject};
use aether_store::{Login, NewJob, NewSchedule};
use reqwest::{Method, StatusCode};
use serde_json::json;
use time::OffsetDateTime;

use crate::desk::{Desk, tenant_id};

/// A job in the database, as the scheduler writes it.
async fn submitted(desk: &Desk, tenant: &str, person: &str, states: Vec<&'static str>) -> JobId {
    let job = NewJob {
        job: JobId::generate(),
        agent: AgentId::new("aether").unwrap(),
        kind: "reminder".into(),
        modality: "voice",
        person: Some(PersonId::new(person).unwrap()),
        session: None,
        payload: json!({ "about": "tea" }),
        priority: 0,
        pool: "interactive",
        idempotency_key: JobId::generate().to_string(),
        schedule: None,
        due_at: None,
        patience: Duration::from_secs(1),
        expires_at: None,
        states,
        traceparent: None,
    };
    let mut transaction = desk.store_of(Login::Scheduler).tenant(&tenant_id(tenant)).await.unwrap();
    transaction.insert_jobs(std::slice::from_ref(&job)).await.unwrap();
    transaction.commit().await.unwrap();
    job.job
}

#[tokio::test]
async fn tasks_are_shown_to_whom_they_concern() {
    let desk = Desk::open().await;
    let adas = submitted(&desk, "acme", "ada", vec!["PENDING", "SCHEDULED"]).await;
    let bens = submitted(&desk, "acme", "ben", vec!["PENDING", "SCHEDULED", "HUMAN_REVIEW"]).await;
    submitted(&desk, "other", "ada", vec!["PENDING"]).await;
    let schedule = NewSchedule {
        schedule: JobId::generate(),
        agent: AgentId::new("aether").unwrap(),
        kind: "reminder".into(),
        modality: "voice",
        person: Some(PersonId::new("ada").unwrap()),
        session: None,
        payload: json!({ "about": "bins" }),
        priority: 0,
        idempotency_key: "bins".into(),
        cron: "0 9 * * 1".into(),
        time_zone: "Europe/Berlin".into(),
        missed: "run_once",
        next_at: OffsetDateTime::UNIX_EPOCH,
    };
    let mut transaction = desk.store_of(Login::Scheduler).tenant(&tenant_id("acme")).await.unwrap();
    transaction.insert_schedule(&schedule).await.unwrap();
    transaction.commit().await.unwrap();

    let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let everybody = desk.page_token("acme", None, Scopes::ALL);
    let ids = async |query: &str, bearer: &str| {
        let (status, list) = desk.get(&format!("/v1/tasks{query}"), bearer).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| row["job_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("", &ada).await, [adas.to_string()]);
    assert_eq!(ids("", &everybody).await, [bens.to_string(), adas.to_string()], "newest first");
    assert_eq!(ids("?state=human_review,RETRYING", &everybody).await, [bens.to_string()]);
    assert_eq!(ids("?limit=1", &everybody).await, [bens.to_string()]);
    assert!(ids("?kind=nothing", &everybody).await.is_empty());

    let (status, whole) = desk.get(&format!("/v1/tasks/{adas}"), &ada).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&whole["state"], &whole["payload"]), (&json!("SCHEDULED"), &json!({ "about": "tea" })));
    let states: Vec<_> = whole["steps"].as_array().unwrap().iter().map(|step| step["state"].clone()).collect();
    assert_eq!(states, [json!("PENDING"), json!("SCHEDULED")]);
    for (path, bearer) in [(format!("/v1/tasks/{bens}"), &ada), ("/v1/tasks/7".to_owned(), &ada)] {
        assert_eq!(desk.get(&path, bearer).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let ben = desk.page_token("acme", Some("ben"), Scopes::PAGE);
    for (bearer, count) in [(&ada, 1), (&ben, 0), (&everybody, 1)] {
        let (_, list) = desk.get("/v1/schedules", bearer).await;
        assert_eq!(list["data"].as_array().map(Vec::len), Some(count), "{list}");
    }
    for (query, param) in
        [("?limit=0", "limit"), ("?state=LOST", "state"), ("?before=now", "before"), ("?session_id=7", "session_id")]
    {
        let (status, answer) = desk.get(&format!("/v1/tasks{query}"), &ada).await;
        assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{answer}");
    }
}

#[tokio::test]
async fn a_wish_about_a_task_goes_to_the_scheduler_in_the_callers_name() {
    let desk = Desk::open().await;
    let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let wish = async |body| desk.send(Method::POST, "/v1/tasks/control", &ada, Some(body)).await;
    let job = JobId::generate().to_string();
    let cancel = json!({ "action": "cancel", "job_id": job });
    let (status, answer) = wish(cancel.clone()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("scheduler"), "{answer}");

    let asked: Arc<Mutex<Vec<JobControl>>> = Arc::default();
    let heard = Arc::clone(&asked);
    let _scheduler = desk
        .bus
        .answer(subject::JOBS_CONTROL, move |_, wish: JobControl| {
            heard.lock().unwrap().push(wish);
            std::future::ready(Ok(JobControlReply { changed: 1 }))
        })
        .await
        .unwrap();
    // Only now does the server know of it.
    desk.bus.ready(Duration::from_secs(5)).await.unwrap();
    let (status, answer) = wish(cancel).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "changed": 1 })));
    let expected = JobControl {
        what: Some(job_control::What::JobId(job)),
        action: JobAction::Cancel.into(),
        person_id: "ada".into(),
    };
    assert_eq!(*asked.lock().unwrap(), [expected]);
    for body in [
        json!({ "action": "dance", "job_id": "1" }),
        json!({ "action": "cancel" }),
        json!({ "job_id": "1" }),
        json!([]),
    ] {
        let (status, answer) = wish(body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}
