//! What happens elsewhere comes in with a signature, and what a person is told is theirs alone.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_bus::{ConsumeOptions, DurableStream};
use aether_identity::{Scopes, Secret, sign};
use aether_proto::{
    AgentId, Notification, NotificationId, NotifyControl, NotifyControlReply, PersonId, PluginEvent, Urgency,
    notify_control::Wish, subject,
};
use aether_store::{Login, NewNotification, NewTarget};
use aether_testkit::eventually;
use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::desk::{Desk, tenant_id};

const SOURCE: &str = "builds-1a2b3c4d5e6f";

fn agent() -> AgentId {
    AgentId::new("aether").unwrap()
}

fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

async fn notification(desk: &Desk, tenant: &str, whose: &str, title: &str) -> String {
    let new = NewNotification {
        notification: NotificationId::generate(),
        agent: &agent(),
        person: &person(whose),
        source: "builds",
        event_id: title,
        kind: "build.failed",
        title,
        text: "In step 3",
        url: "",
        urgency: 2,
        state: "delivered",
        reason: "nothing speaks against it",
        due_at: None,
        expires_at: None,
    };
    let mut transaction = desk.store_of(Login::Notifier).tenant(&tenant_id(tenant)).await.unwrap();
    let (row, _) = transaction.insert_notification(&new).await.unwrap();
    transaction.commit().await.unwrap();
    row.notification.to_string()
}

/// A notifier that plays its part: it takes every wish and answers with this id.
async fn notifier(desk: &Desk, id: &'static str) -> (Arc<Mutex<Vec<NotifyControl>>>, aether_bus::Answering) {
    let asked: Arc<Mutex<Vec<NotifyControl>>> = Arc::default();
    let heard = Arc::clone(&asked);
    let answering = desk
        .bus
        .answer(subject::NOTIFY_CONTROL, move |_, wish: NotifyControl| {
            heard.lock().unwrap().push(wish);
            let (id, push_key) = (id.to_owned(), "a-public-key".to_owned());
            std::future::ready(Ok(NotifyControlReply { id, secret: String::new(), push_key }))
        })
        .await
        .unwrap();
    // Only now does the server know of it.
    desk.bus.ready(Duration::from_secs(5)).await.unwrap();
    (asked, answering)
}

#[tokio::test]
async fn notifications_are_shown_to_their_person_and_wishes_go_on_in_their_name() {
    let desk = Desk::open().await;
    let first = notification(&desk, "acme", "ada", "One").await;
    let second = notification(&desk, "acme", "ada", "Two").await;
    let bens = notification(&desk, "acme", "ben", "Not yours").await;
    notification(&desk, "other", "ada", "Nor yours").await;
    let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let ids = async |query: &str, bearer: &str| {
        let (status, list) = desk.get(&format!("/v1/notifications{query}"), bearer).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| row["notification_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("", &ada).await, [second.clone(), first.clone()], "newest first");
    assert_eq!(ids("?limit=1", &ada).await, std::slice::from_ref(&second));
    assert_eq!(ids(&format!("?before={second}"), &ada).await, std::slice::from_ref(&first));
    let nobody = desk.page_token("acme", None, Scopes::ALL);
    assert_eq!(ids("?person_id=ben", &nobody).await, [bens]);
    for (query, bearer, status) in [
        ("", &nobody, StatusCode::BAD_REQUEST),
        ("?person_id=ben", &ada, StatusCode::FORBIDDEN),
        ("?unseen=perhaps", &ada, StatusCode::BAD_REQUEST),
        ("?before=now", &ada, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(desk.get(&format!("/v1/notifications{query}"), bearer).await.0, status, "{query}");
    }

    let wish =
        async |id: &str, body| desk.send(Method::POST, &format!("/v1/notifications/{id}"), &ada, Some(body)).await;
    let (status, answer) = wish(&first, json!({ "seen": true })).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("notifier"), "{answer}");
    let (asked, _notifier) = notifier(&desk, "").await;
    let (status, answer) = wish(&first, json!({ "feedback": "dismissed" })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["notification"]["title"], &answer["rule"]), (&json!("One"), &Value::Null));
    let wishes = asked.lock().unwrap().clone();
    let [wished] = &wishes[..] else { panic!("one wish") };
    assert_eq!(wished.person_id, "ada");
    assert!(matches!(&wished.wish, Some(Wish::Feedback(feedback)) if feedback.notification_id == first));
    for body in [json!({}), json!({ "seen": false }), json!({ "seen": true, "feedback": "muted" }), json!([])] {
        assert_eq!(wish(&first, body.clone()).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(wish(&first, json!({ "snooze_minutes": 0 })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(wish("7", json!({ "seen": true })).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn settings_are_what_holds_and_a_push_services_address_is_not_shown() {
    let desk = Desk::open().await;
    let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let (_, settings) = desk.get("/v1/notifications/settings", &ada).await;
    assert_eq!((&settings["most_per_hour"], &settings["push_key"]), (&json!(6), &Value::Null));
    let (_asked, _notifier) = notifier(&desk, "").await;
    let (_, settings) = desk.get("/v1/notifications/settings", &ada).await;
    assert_eq!(settings["push_key"], "a-public-key");
    let target = NewTarget {
        channel: "push",
        address: "https://push.example.net/secret/path",
        push_key: "k",
        push_auth: "a",
        least_urgency: 2,
    };
    let mut transaction = desk.store_of(Login::Notifier).tenant(&tenant_id("acme")).await.unwrap();
    transaction.upsert_target(&agent(), &person("ada"), &target).await.unwrap();
    transaction.commit().await.unwrap();
    let (_, targets) = desk.get("/v1/notifications/targets", &ada).await;
    assert_eq!(targets["data"][0]["address"], "push.example.net");
    assert_eq!(targets["data"][0]["least_urgency"], "normal");
    for (body, param) in [
        (json!({ "channel": "push" }), "subscription"),
        (json!({ "channel": "push", "subscription": { "endpoint": "x", "keys": {} } }), "subscription.keys.p256dh"),
        (json!({ "channel": "webhook" }), "address"),
        (json!({ "channel": "webhook", "address": "x", "least_urgency": "shrill" }), "least_urgency"),
    ] {
        let (status, answer) = desk.send(Method::POST, "/v1/notifications/targets", &ada, Some(body)).await;
        assert_eq!((status, &answer["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{answer}");
    }
}

/// Software that posts events to a source of ada's.
struct Software<'a> {
    desk: &'a Desk,
    secret: Secret,
    heard: Arc<Mutex<Vec<PluginEvent>>>,
    _consumer: aether_bus::Consumer,
}

impl<'a> Software<'a> {
    async fn of(desk: &'a Desk) -> Self {
        let mut transaction = desk.store_of(Login::Notifier).tenant(&tenant_id("acme")).await.unwrap();
        transaction.upsert_source(&agent(), &person("ada"), SOURCE, "builds").await.unwrap();
        transaction.commit().await.unwrap();
        let heard: Arc<Mutex<Vec<PluginEvent>>> = Arc::default();
        let hearing = Arc::clone(&heard);
        let options = ConsumeOptions::new(DurableStream::Events, "somebody");
        let consumer = desk.bus.consume(options, move |context, event: PluginEvent| {
            assert_eq!(context.tenant, tenant_id("acme"));
            hearing.lock().unwrap().push(event);
            std::future::ready(Ok(()))
        });
        // Made a second time the same source has the same secret.
        let (asked, notifier) = notifier(desk, SOURCE).await;
        let ada = desk.page_token("acme", Some("ada"), Scopes::PAGE);
        let add = json!({ "name": "builds" });
        let (status, added) = desk.send(Method::POST, "/v1/sources", &ada, Some(add)).await;
        assert_eq!(status, StatusCode::CREATED, "{added}");
        assert!(matches!(&asked.lock().unwrap()[0].wish, Some(Wish::AddSource(name)) if name == "builds"));
        assert!(added["url"].as_str().unwrap().ends_with(&format!("/v1/events/{SOURCE}")), "{added}");
        drop(notifier);
        let secret = added["secret"].as_str().unwrap().parse().unwrap();
        Self { desk, secret, heard, _consumer: consumer }
    }

    async fn post(&self, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
        let url = format!("{}/v1/events/{SOURCE}", self.desk.url);
        let mut request = reqwest::Client::new().post(url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }

    async fn send(&self, id: &str, ago: i64, body: &str) -> (StatusCode, Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let at = now.saturating_add_signed(-ago);
        let signature = sign(&self.secret, id, at, body.as_bytes());
        let headers =
            [("webhook-id", id), ("webhook-timestamp", &at.to_string()), ("webhook-signature", signature.as_str())];
        self.post(&headers, body).await
    }
}

#[tokio::test]
async fn an_event_is_believed_once_and_only_with_its_signature() {
    let desk = Desk::open().await;
    let software = Software::of(&desk).await;
    let body =
        r#"{"kind": "build.failed", "title": "The build failed", "urgency": "high", "url": "https://x.example"}"#;
    let (status, answer) = software.send("msg-1", 0, body).await;
    assert_eq!((status, &answer["event_id"]), (StatusCode::ACCEPTED, &json!("msg-1")), "{answer}");
    // Sent again it is taken again, as the sender did not hear of it, and counts once.
    assert_eq!(software.send("msg-1", 1, body).await.0, StatusCode::ACCEPTED);
    eventually("it is on the bus", 10, || async { !software.heard.lock().unwrap().is_empty() }).await;

    let good = sign(&software.secret, "msg-2", 0, body.as_bytes());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    for (headers, said) in [
        (vec![], "its id is empty"),
        (vec![("webhook-id", "msg-2"), ("webhook-timestamp", &now)], "not signed"),
        (vec![("webhook-id", "msg-2"), ("webhook-timestamp", &now), ("webhook-signature", &good)], "does not fit"),
        (vec![("x-hub-signature-256", "sha256=00")], "does not fit"),
    ] {
        let (status, answer) = software.post(&headers, body).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("invalid_signature")));
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{answer}");
    }
    assert_eq!(software.send("msg-3", 301, body).await.0, StatusCode::UNAUTHORIZED, "too old");
    assert_eq!(software.send("msg-3", -302, body).await.0, StatusCode::UNAUTHORIZED, "from the future");
    for (body, status) in [
        ("prose", StatusCode::BAD_REQUEST),
        ("[]", StatusCode::BAD_REQUEST),
        (r#"{"title": "no kind"}"#, StatusCode::BAD_REQUEST),
        (r#"{"kind": "k", "title": " "}"#, StatusCode::BAD_REQUEST),
        (r#"{"kind": "k", "title": "t", "urgency": "shrill"}"#, StatusCode::BAD_REQUEST),
        (r#"{"kind": "k", "title": "t", "url": "javascript:alert(1)"}"#, StatusCode::BAD_REQUEST),
        (r#"{"kind": "k", "title": "t", "occurred_at": "tomorrow"}"#, StatusCode::BAD_REQUEST),
        (r#"{"kind": "k", "title": "t", "occurred_at": "2150-01-01T00:00:00Z"}"#, StatusCode::BAD_REQUEST),
        (&"x".repeat(300 << 10), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (got, answer) = software.send("msg-4", 0, body).await;
        assert_eq!(got, status, "{answer}");
    }
    let elsewhere = reqwest::Client::new().post(format!("{}/v1/events/nowhere", desk.url)).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);

    let github =
        r#"{"action": "opened", "issue": {"title": "It rains in"}, "repository": {"full_name": "acme/house"}}"#;
    let signature = github_signature(&software.secret.reveal(), github);
    let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-event", "issues")];
    for _ in 0..2 {
        assert_eq!(software.post(&headers, github).await.0, StatusCode::ACCEPTED);
    }
    eventually("both are on the bus", 10, || async { software.heard.lock().unwrap().len() == 2 }).await;
    let heard = software.heard.lock().unwrap().clone();
    let told: Vec<_> =
        heard.iter().map(|event| (event.title.as_str(), event.urgency(), event.source.as_str())).collect();
    let expected = [
        ("The build failed", Urgency::High, "builds"),
        ("acme/house: issues opened: It rains in", Urgency::Unspecified, "builds"),
    ];
    assert_eq!(told, expected);
    assert!(heard.iter().all(|event| event.person_id == "ada"));
}

/// As GitHub does it.
fn github_signature(secret: &str, body: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    let tag = mac.finalize().into_bytes();
    tag.iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn who_connects_hears_of_what_they_have_not_seen_and_then_of_what_comes() {
    let desk = Desk::open().await;
    notification(&desk, "acme", "ada", "Unseen").await;
    notification(&desk, "acme", "ben", "Not yours").await;
    let token = desk.page_token("acme", Some("ada"), Scopes::PAGE);
    let mut request = desk.url.replace("http", "ws").into_client_request().unwrap();
    *request.uri_mut() = format!("{}/ws", desk.url.replace("http", "ws")).parse().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let mut next = async || {
        let message = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
        let event: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        event
    };
    let event = next().await;
    assert_eq!((&event["notification"]["title"], &event["people"]), (&json!("Unseen"), &json!(["ada"])));
    let context = aether_bus::Context::new(tenant_id("acme"), agent());
    for (whose, title) in [("ben", "Not yours either"), ("ada", "Fresh")] {
        let push = Notification { title: title.to_owned(), ..Notification::default() };
        let subject = subject::notify_push(&context.tenant, &person(whose));
        desk.bus.publish(&context, &subject, &push).await.unwrap();
    }
    assert_eq!(next().await["notification"]["title"], "Fresh");
}
