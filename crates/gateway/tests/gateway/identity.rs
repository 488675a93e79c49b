//! Who somebody is: keys, page tokens, names.

use aether_gateway as _;
use aether_identity::{Scope, Scopes};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::desk::{Desk, now_unix};

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_it_was_made_for() {
    let desk = Desk::open().await;
    let admin = desk.page_token("acme", Some("owner"), Scopes::ALL);
    let body = json!({ "name": "my laptop", "person": "ada", "scopes": "chat history", "expires_in_days": 30 });
    let (status, made) = desk.post("/v1/keys", &admin, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with(&format!("aether_{}_", made["prefix"].as_str().unwrap())));
    assert!(made["expires_at"].as_str().unwrap() > made["created_at"].as_str().unwrap());
    let (status, me) = desk.get("/v1/me", key).await;
    assert_eq!(status, StatusCode::OK);
    let expected =
        json!({ "tenant": "acme", "agent": "aether", "person": "ada", "name": null, "scopes": "chat history" });
    assert_eq!(me, expected);
    assert_eq!(desk.get("/v1/keys", key).await.0, StatusCode::FORBIDDEN);

    let (_, list) = desk.get("/v1/keys", &admin).await;
    assert!(!list.to_string().contains(key), "{list}");
    assert_eq!((&list["data"][0]["name"], &list["data"][0]["scopes"]), (&json!("my laptop"), &json!("chat history")));
    // Another tenant's keys are not there.
    let other = desk.page_token("other", Some("owner"), Scopes::ALL);
    assert_eq!(desk.get("/v1/keys", &other).await.1["data"], json!([]));
    let path = format!("/v1/keys/{}", made["prefix"].as_str().unwrap());
    assert_eq!(desk.send(Method::DELETE, &path, &other, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(desk.get("/v1/me", key).await.0, StatusCode::OK);

    for (body, param) in [
        (json!({}), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x", "scopes": "chat root" }), "scopes"),
        (json!({ "name": "x", "scopes": [] }), "scopes"),
        (json!({ "name": "x", "expires_in_days": 0 }), "expires_in_days"),
        (json!({ "name": "x", "person": "" }), "person"),
    ] {
        let (status, answer) = desk.post("/v1/keys", &admin, body).await;
        assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{answer}");
    }
    // Who has little gives away less.
    let narrow = desk.page_token("acme", None, Scopes::from_iter([Scope::Admin, Scope::Chat]));
    let (status, answer) = desk.post("/v1/keys", &narrow, json!({ "name": "x", "scopes": ["chat", "talk"] })).await;
    assert_eq!((status, &answer["error"]["param"]), (StatusCode::FORBIDDEN, &json!("scopes")));
    let (status, answer) = desk.post("/v1/keys", &narrow, json!({ "name": "x" })).await;
    assert_eq!((status, &answer["scopes"]), (StatusCode::CREATED, &json!("chat")));
}

#[tokio::test]
async fn page_tokens_renew_themselves_for_a_week_and_never_grow() {
    let desk = Desk::open().await;
    let key = desk.key("acme", Some("ada"), "chat talk").await;
    let (status, made) = desk.post("/v1/page-tokens", &key, json!({ "name": "Ada" })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let token = made["token"].as_str().unwrap();
    let (_, me) = desk.get("/v1/me", token).await;
    assert_eq!((&me["person"], &me["name"], &me["scopes"]), (&json!("ada"), &json!("Ada"), &json!("chat talk")));
    let claims = desk.keyring.verify(token, now_unix()).unwrap();
    assert!((now_unix() + DAY / 2).abs_diff(claims.expires_at) < 60);

    // No body at all is a body without wishes.
    let (status, renewed) = desk.send(Method::POST, "/v1/page-tokens", token, None).await;
    assert_eq!(status, StatusCode::CREATED);
    let again = desk.keyring.verify(renewed["token"].as_str().unwrap(), now_unix()).unwrap();
    assert_eq!((again.first_issued_at, again.scopes), (claims.first_issued_at, claims.scopes));

    for (first, expected) in
        [(now_unix() - 7 * DAY + 600, StatusCode::CREATED), (now_unix() - 7 * DAY, StatusCode::FORBIDDEN)]
    {
        let old = desk.page_token_from("acme", Some("ada"), Scopes::PAGE, first);
        let (status, answer) = desk.post("/v1/page-tokens", &old, json!({})).await;
        assert_eq!(status, expected, "{answer}");
        if let Some(token) = answer["token"].as_str() {
            assert!(desk.keyring.verify(token, now_unix()).unwrap().expires_at <= first + 7 * DAY);
        }
    }
    for (body, param) in [(json!({ "scopes": "admin" }), "scopes"), (json!({ "person": "ben" }), "person")] {
        let (status, answer) = desk.post("/v1/page-tokens", token, body).await;
        assert_eq!((status, &answer["error"]["param"]), (StatusCode::FORBIDDEN, &json!(param)));
    }
    // A key of nobody's may speak for anybody; so may an administrator.
    for bearer in [desk.key("acme", None, "chat").await, desk.page_token("acme", Some("owner"), Scopes::ALL)] {
        let (status, made) = desk.post("/v1/page-tokens", &bearer, json!({ "person": "ben", "scopes": "chat" })).await;
        assert_eq!(status, StatusCode::CREATED);
        let (_, me) = desk.get("/v1/me", made["token"].as_str().unwrap()).await;
        assert_eq!((&me["person"], &me["scopes"]), (&json!("ben"), &json!("chat")));
    }
}

#[tokio::test]
async fn people_have_the_name_that_was_said_last() {
    let desk = Desk::open().await;
    let admin = desk.page_token("acme", None, Scopes::ALL);
    let (status, eve) = desk.post("/v1/people", &admin, json!({ "person": "eve", "name": " Eve " })).await;
    assert_eq!((status, &eve["name"]), (StatusCode::CREATED, &json!("Eve")));
    let token = desk.page_token("acme", Some("eve"), Scopes::NONE);
    assert_eq!(desk.get("/v1/me", &token).await.1["name"], "Eve");
    let (status, me) = desk.send(Method::PATCH, "/v1/me", &token, Some(json!({ "name": "Evelyn" }))).await;
    assert_eq!((status, &me["name"]), (StatusCode::OK, &json!("Evelyn")));
    assert_eq!(desk.get("/v1/people", &admin).await.1["data"][0]["name"], "Evelyn");
    assert_eq!(desk.get("/v1/people", &desk.page_token("other", None, Scopes::ALL)).await.1["data"], json!([]));
    // Nobody has no name.
    let (status, answer) = desk.send(Method::PATCH, "/v1/me", &admin, Some(json!({ "name": "X" }))).await;
    assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("name")));
    for name in ["", "a\nb", &"x".repeat(129)] {
        let (status, _) = desk.send(Method::PATCH, "/v1/me", &token, Some(json!({ "name": name }))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
