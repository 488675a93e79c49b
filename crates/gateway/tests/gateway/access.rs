//! All routes × all roles × two tenants: who gets in is what the table says.

use std::time::Duration;

use aether_gateway::{Access, routes};
use aether_identity::{Scope, Scopes};
use aether_livekit::ApiKey;
use aether_proto::{AgentId, Error, JobControl, JobControlReply, NotifyControl, NotifyControlReply, PersonId, subject};
use aether_store::Login;
use aether_testkit as testkit;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::desk::{Desk, Line, Places, tenant_id};

const SOURCE: &str = "builds-1a2b3c4d5e6f";
const UUID: &str = "0198f000-0000-7000-8000-000000000000";

/// A request that says nothing wrong, to this route, and what it gets where it gets in.
fn sensible(method: &Method, path: &str) -> (String, Option<Value>, StatusCode) {
    let body = match path {
        "/v1/chat/completions" => Some(json!({ "model": "aether", "messages": [{ "role": "user", "content": "Hi" }] })),
        "/v1/rooms/token" | "/v1/page-tokens" => Some(json!({})),
        "/v1/rooms/{room}/control" => Some(json!({ "look": {} })),
        "/v1/tasks/control" => Some(json!({ "action": "cancel", "job_id": UUID })),
        "/v1/me" => Some(json!({ "name": "Somebody" })),
        "/v1/people" => Some(json!({ "person": "eve", "name": "Eve" })),
        "/v1/keys" | "/v1/sources" => Some(json!({ "name": "another" })),
        "/v1/notifications/{id}" => Some(json!({ "seen": true })),
        "/v1/notifications/settings" => Some(json!({ "time_zone": "UTC", "digest_at": ["09:00"], "most_per_hour": 6 })),
        "/v1/notifications/targets" => Some(json!({ "channel": "webhook", "address": "http://127.0.0.1:1" })),
        _ => None,
    };
    // Nothing of this name is there, for anybody.
    let missing = [
        "/v1/rooms/{room}/control",
        "/v1/sessions/{id}",
        "/v1/tasks/{id}",
        "/v1/keys/{prefix}",
        "/v1/notifications/{id}",
    ]
    .contains(&path)
        // The notifier that is played here adds nothing.
        || path == "/v1/notifications/targets" && method == Method::POST;
    let path = path
        .replace("{*id}", "aether")
        .replace("{room}", "kitchen")
        .replace("{id}", UUID)
        .replace("{source}", SOURCE)
        .replace("{prefix}", "abcdefghijkl");
    (path, body, if missing { StatusCode::NOT_FOUND } else { StatusCode::OK })
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says_and_nobody_else() {
    let (redis, livekit) = tokio::join!(testkit::redis(), testkit::livekit());
    let key = ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.clone() };
    let desk = Desk::open_at(Places { redis: &redis.url, livekit: &livekit.url, key }, |_| {}).await;
    let _brain = desk.brain(|_| vec![Line::Text("Hi"), Line::Done("stop")]).await;

    let answer = |_, _: JobControl| std::future::ready(Ok::<_, Error>(JobControlReply { changed: 0 }));
    let _scheduler = desk.bus.answer(subject::JOBS_CONTROL, answer).await.unwrap();
    let answer = |_, _: NotifyControl| std::future::ready(Ok::<_, Error>(NotifyControlReply::default()));
    let _notifier = desk.bus.answer(subject::NOTIFY_CONTROL, answer).await.unwrap();
    desk.bus.ready(Duration::from_secs(5)).await.unwrap();
    let mut transaction = desk.store_of(Login::Notifier).tenant(&tenant_id("acme")).await.unwrap();
    let (agent, ada) = (AgentId::new("aether").unwrap(), PersonId::new("ada").unwrap());
    transaction.upsert_source(&agent, &ada, SOURCE, "builds").await.unwrap();
    transaction.commit().await.unwrap();

    let past = Some(OffsetDateTime::now_utc() - Duration::from_secs(1));
    let (expired, _) = desk.key_until("acme", Some("ada"), "chat talk history admin", past).await;
    let (revoked, prefix) = desk.key_until("acme", Some("ada"), "chat talk history admin", None).await;
    let mut transaction = desk.store_of(Login::Gateway).tenant(&tenant_id("acme")).await.unwrap();
    assert!(transaction.revoke_key(&prefix).await.unwrap());
    transaction.commit().await.unwrap();
    let mut forged = desk.page_token("acme", Some("ada"), Scopes::ALL);
    forged.push('x');
    let never = desk.keyring.make_key().text;
    let strangers = ["", "garbage", "sk-123", "aether_x_y", &never, &expired, &revoked, &forged];

    let mut known = Vec::new();
    for tenant in ["acme", "other"] {
        for scope in Scope::ALL {
            known.push((desk.key(tenant, Some("ada"), scope.as_str()).await, Scopes::from_iter([scope])));
        }
        known.push((desk.key(tenant, Some("ada"), "").await, Scopes::NONE));
        known.push((desk.page_token(tenant, Some("ada"), Scopes::PAGE), Scopes::PAGE));
        known.push((desk.page_token(tenant, Some("ada"), Scopes::ALL), Scopes::ALL));
    }

    for route in routes() {
        let (path, body, welcome) = sensible(&route.method, route.path);
        let body = body.filter(|_| route.method != Method::GET);
        let ask = async |bearer: &str| desk.send(route.method.clone(), &path, bearer, body.clone()).await;
        for stranger in strangers {
            let (status, answer) = ask(stranger).await;
            let name = format!("{} {path} with {stranger:?}: {status} {answer}", route.method);
            match route.access {
                Access::Public => assert_eq!(status, StatusCode::OK, "{name}"),
                Access::Signed | Access::Known | Access::With(_) => {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
                    let codes = if route.access == Access::Signed {
                        ["invalid_api_key", "invalid_signature"]
                    } else {
                        ["invalid_api_key"; 2]
                    };
                    assert!(codes.contains(&answer["error"]["code"].as_str().unwrap()), "{name}");
                }
            }
        }
        for (bearer, scopes) in &known {
            let (status, answer) = ask(bearer).await;
            let name = format!("{} {path} with {scopes}: {status} {answer}", route.method);
            match route.access {
                Access::With(scope) if !scopes.contains(scope) => {
                    assert_eq!(
                        (status, &answer["error"]["code"]),
                        (StatusCode::FORBIDDEN, &json!("insufficient_scope")),
                        "{name}"
                    );
                }
                // No key of ours is LiveKit's signature.
                Access::Signed => assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}"),
                // A plain request is no socket: it got past the door.
                _ if route.path == "/ws" => {
                    assert!(status.is_client_error() && status.as_u16() > 403 || status == 400, "{name}")
                }
                _ if welcome == StatusCode::NOT_FOUND => assert_eq!(status, welcome, "{name}"),
                _ => assert!(status.is_success(), "{name}"),
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_route_is_said_in_json() {
    let desk = Desk::open().await;
    for (method, path, expected) in [
        (Method::GET, "/v1/nothing", 404),
        (Method::GET, "/v1", 404),
        (Method::GET, "/v1/chat/completions", 405),
        (Method::PUT, "/v1/me", 405),
        (Method::DELETE, "/nothing", 405),
    ] {
        let (status, body) = desk.send(method.clone(), path, "", None).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}");
        assert_eq!(body["error"]["type"], "invalid_request_error", "{method} {path}");
    }
}

#[tokio::test]
async fn a_revocation_acts_within_seconds_and_nobody_is_unknown_because_the_database_is_away() {
    let mut desk = Desk::open().await;
    let admin = desk.page_token("acme", None, Scopes::ALL);
    let (key, prefix) = desk.key_until("acme", Some("ada"), "chat", None).await;
    assert_eq!(desk.get("/v1/models", &key).await.0, StatusCode::OK);
    // Behind the gateway's back, as another gateway would.
    let mut transaction = desk.store_of(Login::Gateway).tenant(&crate::desk::tenant_id("acme")).await.unwrap();
    transaction.revoke_key(&prefix).await.unwrap();
    transaction.commit().await.unwrap();
    testkit::eventually("the key is refused", 5, || async {
        desk.get("/v1/models", &key).await.0 == StatusCode::UNAUTHORIZED
    })
    .await;
    let row = desk.get("/v1/keys", &admin).await.1["data"][0].clone();
    assert!(row["revoked_at"].is_string() && row["key"].is_null() && row["hash"].is_null(), "{row}");
    testkit::eventually("its last use is known", 5, || async {
        desk.get("/v1/keys", &admin).await.1["data"][0]["last_used_at"].is_string()
    })
    .await;
    // Here and now.
    let (another, prefix) = desk.key_until("acme", Some("ada"), "chat", None).await;
    assert_eq!(desk.get("/v1/models", &another).await.0, StatusCode::OK);
    let (status, _) = desk.send(Method::DELETE, &format!("/v1/keys/{prefix}"), &admin, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(desk.get("/v1/models", &another).await.0, StatusCode::UNAUTHORIZED);

    let (third, _) = desk.key_until("acme", Some("ada"), "chat", None).await;
    desk.postgres.kill().await;
    let (status, body) = desk.get("/v1/models", &third).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("store_unavailable")));
    // A page token is its own proof.
    assert_eq!(desk.get("/v1/models", &admin).await.0, StatusCode::OK);
    assert!(desk.get("/health", "").await.1["ready"].as_bool().unwrap());
}

#[tokio::test]
async fn a_page_from_elsewhere_may_ask_with_a_token_of_its_own() {
    let desk = Desk::open().await;
    let asks_first = desk
        .request(Method::OPTIONS, "/v1/rooms/token", "")
        .header("origin", "https://elsewhere.example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let response = asks_first.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");
    assert!(!response.headers().contains_key("access-control-allow-credentials"));

    let refused = desk.request(Method::GET, "/v1/me", "").header("origin", "https://elsewhere.example.org");
    let response = refused.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["access-control-allow-origin"], "*", "it may read why");
}
