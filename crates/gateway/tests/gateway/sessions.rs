//! What was said before, for those who said it.

use aether_gateway as _;
use aether_identity::Scopes;
use aether_proto::turn_log_entry::Step;
use aether_proto::{AgentId, AnswerChunk, Ended, Heard, SessionId, TurnId, TurnLogEntry, UserCommitted};
use aether_store::Login;
use reqwest::StatusCode;
use serde_json::json;

use crate::desk::{Desk, tenant_id};

/// One turn in the database, as brain writes it, so many seconds after 2023-11-14T22:13:20Z.
async fn said(desk: &Desk, tenant: &str, person: &str, session: SessionId, second: i64, words: &str) {
    let steps = [
        Step::UserCommitted(UserCommitted {
            room: "kitchen".into(),
            person_id: person.into(),
            person_name: person.to_uppercase(),
            text: words.into(),
            modality: "voice".into(),
        }),
        Step::AnswerChunk(AnswerChunk { index: 0, text: "An answer.".into() }),
        Step::Heard(Heard { text_bytes: 2 }),
        Step::Ended(Ended { reason: "interrupted".into() }),
    ];
    let (turn, agent) = (TurnId::generate(), AgentId::new("aether").unwrap());
    let mut transaction = desk.store_of(Login::Brain).tenant(&tenant_id(tenant)).await.unwrap();
    for (sequence, step) in (0..).zip(steps) {
        let entry = TurnLogEntry {
            session_id: session.to_string(),
            turn_id: turn.to_string(),
            sequence,
            at_unix_us: (1_700_000_000 + second) * 1_000_000,
            step: Some(step),
        };
        transaction.apply_turn_log_entry(&agent, &entry).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn sessions_are_shown_to_those_who_took_part() {
    let desk = Desk::open().await;
    let (first, second, third) = (SessionId::generate(), SessionId::generate(), SessionId::generate());
    said(&desk, "acme", "ada", first, 0, "The first words").await;
    said(&desk, "acme", "ada", second, 100, "More words").await;
    said(&desk, "acme", "ben", second, 110, "Ben's words").await;
    said(&desk, "acme", "ben", third, 200, "Ben alone").await;

    let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let (status, list) = desk.get("/v1/sessions", &ada).await;
    assert_eq!(status, StatusCode::OK);
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|row| row["session_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [second.to_string(), first.to_string()], "newest first");
    let row = &list["data"][1];
    assert_eq!(row["started_at"], "2023-11-14T22:13:20Z");
    assert_eq!(
        (&row["room"], &row["turns"], &row["first_words"]),
        (&json!("kitchen"), &json!(1), &json!("The first words"))
    );
    assert_eq!(list["has_more"], false);

    let (_, page) = desk.get("/v1/sessions?limit=1", &ada).await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (1, &json!(true)));
    let before = page["data"][0]["started_at"].as_str().unwrap();
    let (_, rest) = desk.get(&format!("/v1/sessions?limit=1&before={before}"), &ada).await;
    assert_eq!((&rest["data"][0]["session_id"], &rest["has_more"]), (&json!(first.to_string()), &json!(false)));

    let (status, shown) = desk.get(&format!("/v1/sessions/{first}"), &ada).await;
    assert_eq!(status, StatusCode::OK);
    let turn = &shown["turns"][0];
    assert_eq!(
        (&turn["words"], &turn["answer"], &turn["heard"]),
        (&json!("The first words"), &json!("An answer."), &json!("An"))
    );
    assert_eq!((&turn["status"], &turn["ended_at"]), (&json!("interrupted"), &json!("2023-11-14T22:13:20Z")));

    let (bens, others) =
        (desk.page_token("acme", Some("ben"), Scopes::PAGE), desk.page_token("other", None, Scopes::ALL));
    for bearer in [&bens, &others] {
        assert_eq!(desk.get(&format!("/v1/sessions/{first}"), bearer).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(desk.get("/v1/sessions", &others).await.1["data"], json!([]));
    let everybody = desk.page_token("acme", None, Scopes::ALL);
    assert_eq!(desk.get("/v1/sessions", &everybody).await.1["data"].as_array().unwrap().len(), 3);

    for (path, expected, param) in [
        ("/v1/sessions?limit=0", 400, json!("limit")),
        ("/v1/sessions?limit=many", 400, json!("limit")),
        ("/v1/sessions?before=yesterday", 400, json!("before")),
        ("/v1/sessions/nonsense", 404, json!(null)),
    ] {
        let (status, body) = desk.get(path, &ada).await;
        assert_eq!((status.as_u16(), &body["error"]["param"]), (expected, &param), "{path}");
    }
}
