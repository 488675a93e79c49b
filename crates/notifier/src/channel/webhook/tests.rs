use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::channel::receiver::{Answer, Receiver};
use aether_identity::{Refused, TOLERANCE, verify};

use crate::channel::Urgency;

fn webhook() -> Webhook {
    Webhook::new(Http::new().unwrap())
}

fn target(at: SocketAddr, secret: &Secret) -> WebhookTarget {
    WebhookTarget::new(&format!("http://{at}/hooks/secret-path?token=secret"), secret.clone()).unwrap()
}

fn message() -> Message {
    Message {
        id: "00000000-0000-0000-0000-000000000007".parse().unwrap(),
        title: "The build failed".into(),
        text: "Two tests.\nSee there.".into(),
        url: String::new(),
        urgency: Urgency::Urgent,
        created_unix_ms: 1_700_000_000_123,
    }
}

async fn failure(answer: Answer) -> Failure {
    let receiver = Receiver::start(answer).await;
    webhook().send(&target(receiver.address, &Secret::new(rand::random())), &message()).await.unwrap_err()
}

#[tokio::test]
async fn the_receiver_believes_what_it_gets() {
    let receiver = Receiver::start(Answer::Status(204)).await;
    let secret = Secret::new(rand::random());
    webhook().send(&target(receiver.address, &secret), &message()).await.unwrap();

    let [received] = receiver.received().try_into().unwrap_or_else(|_| panic!("one request"));
    assert_eq!(received.path, "/hooks/secret-path");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("webhook-id"), "00000000-0000-0000-0000-000000000007");
    let check = |secret: &Secret, body: &[u8]| {
        let [id, timestamp, signature] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| received.header(name));
        verify(secret, id, timestamp, signature, body, SystemTime::now(), TOLERANCE)
    };
    assert_eq!(check(&secret, &received.body), Ok(()));
    assert_eq!(check(&secret, b"{}"), Err(Refused::Mismatch));
    assert_eq!(check(&Secret::new(rand::random()), &received.body), Err(Refused::Mismatch));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&received.body).unwrap(),
        serde_json::json!({
            "type": "notification",
            "timestamp": "2023-11-14T22:13:20.123Z",
            "data": {
                "notification_id": "00000000-0000-0000-0000-000000000007",
                "title": "The build failed",
                "text": "Two tests.\nSee there.",
                "url": "",
                "urgency": "urgent",
            },
        })
    );
}

#[tokio::test]
async fn what_is_sent_again_has_the_same_id() {
    let receiver = Receiver::start(Answer::Status(500)).await;
    let (webhook, target) = (webhook(), target(receiver.address, &Secret::new(rand::random())));
    assert!(webhook.send(&target, &message()).await.is_err() && webhook.send(&target, &message()).await.is_err());
    let [one, two] = receiver.received().try_into().unwrap_or_else(|_| panic!("two requests"));
    assert_eq!(one.header("webhook-id"), two.header("webhook-id"));
}

#[tokio::test]
async fn an_answer_without_end_is_not_waited_for() {
    let receiver = Receiver::start(Answer::Endless).await;
    webhook().send(&target(receiver.address, &Secret::new(rand::random())), &message()).await.unwrap();
}

#[tokio::test]
async fn a_redirect_into_the_house_is_not_followed() {
    let inside = Receiver::start(Answer::Status(200)).await;
    let to: &'static str = format!("http://{}/admin", inside.address).leak();
    for status in [301, 302, 303, 307, 308] {
        let Failure::Permanent { reason } = failure(Answer::With(status, "location", to)).await else { panic!() };
        assert!(reason.contains("redirects"), "{reason}");
    }
    assert!(inside.received().is_empty());
}

#[tokio::test]
async fn what_went_wrong_is_said_without_path_query_or_message() {
    let nobody = Receiver::nobody().await;
    let away = webhook().send(&target(nobody, &Secret::new(rand::random())), &message()).await.unwrap_err();
    assert_eq!(away, Failure::temporary("the webhook at 127.0.0.1 could not be reached"));
    let gone = failure(Answer::Status(410)).await;
    assert!(matches!(gone, Failure::Permanent { .. }));
    let refused = failure(Answer::Status(401)).await;
    assert_eq!(refused, Failure::permanent("the webhook at 127.0.0.1 answered 401"));
    let busy = failure(Answer::With(503, "retry-after", "2")).await;
    assert!(matches!(busy, Failure::Temporary { retry_after: Some(wait), .. } if wait == Duration::from_secs(2)));
    let receiver = Receiver::start(Answer::Silence).await;
    let impatient = Webhook::new(Http::with_timeout(Duration::from_millis(300)).unwrap());
    let silent = impatient.send(&target(receiver.address, &Secret::new(rand::random())), &message()).await.unwrap_err();
    assert_eq!(silent, Failure::temporary("the webhook at 127.0.0.1 did not answer within 300ms"));
    for failure in [away, gone, refused, busy, silent] {
        let reason = failure.to_string();
        assert!(!reason.contains("secret") && !reason.contains("build"), "{reason}");
    }
}

#[test]
fn a_time_beyond_all_calendars_is_no_reason_to_fall() {
    for created_unix_ms in [i64::MIN, -1, 0, i64::MAX] {
        assert!(!body(&Message { created_unix_ms, ..message() }).is_empty());
    }
}

#[test]
fn a_target_shows_no_secret() {
    let secret = Secret::new(rand::random());
    let target = WebhookTarget::new("https://hooks.example.org/x?token=y", secret.clone()).unwrap();
    assert_eq!(format!("{target:?}"), "WebhookTarget(hooks.example.org)");
    assert_eq!(WebhookTarget::new("ftp://hooks.example.org/", secret).unwrap_err(), UrlError::Scheme);
}
