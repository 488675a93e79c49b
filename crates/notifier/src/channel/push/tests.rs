use std::net::SocketAddr;

use base64::Engine as _;
use p256::PublicKey;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::channel::receiver::{Answer, Receiver};

/// A browser: what it keeps to itself, and what it tells.
struct Browser {
    secret: SecretKey,
    auth: [u8; 16],
}

impl Browser {
    fn new() -> Self {
        Self { secret: SecretKey::generate_from_rng(&mut rand::rng()), auth: rand::random() }
    }

    /// At a push service without TLS, as only a test can have it.
    fn subscribe(&self, service: SocketAddr) -> Subscription {
        let key = BASE64URL.encode(self.secret.public_key().to_sec1_bytes());
        let auth = BASE64URL.encode(self.auth);
        let mut subscription = Subscription::new("https://push.example.net/", &key, &auth).unwrap();
        subscription.endpoint = Url::parse(&format!("http://{service}/wpush/secret-path")).unwrap();
        subscription
    }
}

fn push() -> Push {
    Push::new(Http::new().unwrap(), VapidKey::derived(|_| rand::random()).unwrap(), "mailto:post@example.org").unwrap()
}

fn message() -> Message {
    Message {
        id: "00000000-0000-0000-0000-000000000007".parse().unwrap(),
        title: "The build failed".into(),
        text: "Two tests of \"turn\" – see there.".into(),
        url: "https://ci.example.org/7".into(),
        urgency: Urgency::High,
        created_unix_ms: 1_700_000_000_000,
    }
}

async fn failure(answer: Answer) -> Failure {
    let service = Receiver::start(answer).await;
    push().send(&Browser::new().subscribe(service.address), &message()).await.unwrap_err()
}

#[tokio::test]
async fn a_browser_reads_what_was_sent_and_the_service_knows_from_whom() {
    let service = Receiver::start(Answer::Status(201)).await;
    let (push, browser) = (push(), Browser::new());
    push.send(&browser.subscribe(service.address), &message()).await.unwrap();

    let [received] = service.received().try_into().unwrap_or_else(|_| panic!("one request"));
    assert_eq!(received.path, "/wpush/secret-path");
    for (name, value) in [
        ("content-encoding", "aes128gcm"),
        ("content-type", "application/octet-stream"),
        ("ttl", "14400"),
        ("urgency", "high"),
        ("topic", ""),
    ] {
        assert_eq!(received.header(name), value, "{name}");
    }
    let (claims, key) = vapid::tests::believe(received.header("authorization"));
    assert_eq!(claims["aud"], format!("http://{}", service.address));
    assert_eq!(key, push.public_key());

    let told = aes128gcm::tests::decrypt(&received.body, &browser.secret, &browser.auth).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&told).unwrap(),
        serde_json::json!({
            "notification_id": "00000000-0000-0000-0000-000000000007",
            "title": "The build failed",
            "text": "Two tests of \"turn\" – see there.",
            "url": "https://ci.example.org/7",
        })
    );
}

#[tokio::test]
async fn every_message_is_encrypted_anew() {
    let service = Receiver::start(Answer::Status(201)).await;
    let (push, subscription) = (push(), Browser::new().subscribe(service.address));
    push.send(&subscription, &message()).await.unwrap();
    push.send(&subscription, &message()).await.unwrap();
    let [one, two] = service.received().try_into().unwrap_or_else(|_| panic!("two requests"));
    assert_ne!(one.body[..16], two.body[..16], "the salt");
    assert_ne!(one.body[21..86], two.body[21..86], "the sender's key");
    PublicKey::from_sec1_bytes(&one.body[21..86]).unwrap();
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_permanent() {
    for status in [404, 410] {
        assert!(matches!(failure(Answer::Status(status)).await, Failure::Permanent { .. }));
    }
    let Failure::Permanent { reason } = failure(Answer::Status(403)).await else { panic!() };
    assert_eq!(reason, "the push service 127.0.0.1 answered 403");
}

#[tokio::test]
async fn a_busy_service_says_when_to_come_back() {
    let busy = failure(Answer::With(429, "retry-after", "90")).await;
    let reason = "the push service 127.0.0.1 answered 429".into();
    assert_eq!(busy, Failure::Temporary { reason, retry_after: Some(Duration::from_secs(90)) });
    let down = failure(Answer::With(503, "retry-after", "86400")).await;
    assert!(matches!(down, Failure::Temporary { retry_after: Some(wait), .. } if wait == Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Receiver::start(Answer::Status(201)).await;
    let to: &'static str = format!("http://{}/", other.address).leak();
    let Failure::Permanent { reason } = failure(Answer::With(307, "location", to)).await else { panic!() };
    assert!(reason.contains("redirects"), "{reason}");
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_service_that_is_silent_or_away_is_temporary_and_no_reason_tells_a_secret() {
    let away = push().send(&Browser::new().subscribe(Receiver::nobody().await), &message()).await.unwrap_err();
    assert_eq!(away, Failure::temporary("the push service 127.0.0.1 could not be reached"));
    let service = Receiver::start(Answer::Silence).await;
    let impatient = Push { http: Http::with_timeout(Duration::from_millis(300)).unwrap(), ..push() };
    let silent = impatient.send(&Browser::new().subscribe(service.address), &message()).await.unwrap_err();
    assert_eq!(silent, Failure::temporary("the push service 127.0.0.1 did not answer within 300ms"));
    for failure in [away, silent, failure(Answer::Status(500)).await, failure(Answer::Status(410)).await] {
        let reason = failure.to_string();
        assert!(!reason.contains("wpush") && !reason.contains("build"), "{reason}");
    }
}

#[test]
fn how_long_it_is_kept_follows_from_how_urgent_it_is() {
    let table = [Urgency::Low, Urgency::Normal, Urgency::High, Urgency::Urgent]
        .map(|level| (time_to_live(level).as_secs() / 3600, urgency(level)));
    assert_eq!(table, [(24, "low"), (12, "normal"), (4, "high"), (1, "high")]);
}

#[test]
fn a_contact_is_a_mailbox_or_a_page() {
    let new = |contact| Push::new(Http::new().unwrap(), VapidKey::derived(|_| rand::random()).unwrap(), contact);
    assert!(new("mailto:post@example.org").is_ok() && new("https://example.org/contact").is_ok());
    for contact in ["", "post@example.org", "mailto:", "mailto:post", "http://example.org", "tel:110"] {
        assert_eq!(new(contact).unwrap_err(), ContactError, "{contact}");
    }
}

#[test]
fn a_long_text_is_cut_at_a_character_and_a_long_url_left_out() {
    let mut long = message();
    long.text = "ä".repeat(4000);
    let told: Value = serde_json::from_slice(&payload(&long)).unwrap();
    let text = told["text"].as_str().unwrap();
    assert!(text.ends_with("ä…") && text.len() > 2800, "{}", text.len());
    assert_eq!(told["url"], "https://ci.example.org/7");
    long.url = format!("https://ci.example.org/{}", "x".repeat(1024));
    let told: Value = serde_json::from_slice(&payload(&long)).unwrap();
    assert_eq!(told["url"], "");

    assert_eq!(cut("four", 4), "four");
    assert_eq!(cut("fours", 4), "f…");
    assert_eq!(cut("äöü", 5), "ä…");
    assert_eq!(cut("\n\n\n", 5), "\n…", "two bytes each in JSON");
    assert_eq!(cut("long", 3), "…");
    assert_eq!(cut("long", 2), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_payload_always_fits_and_is_json(
        title in "\\PC{0,300}|[\u{0}-\u{1f}\"]{0,600}",
        text in "\\PC{0,2000}|[\u{0}-\u{1f}\"\\\\]{0,4000}",
        url in "[ -~]{0,1500}|[\u{0}-\u{1f}]{0,1500}",
    ) {
        let message = Message { title, text, url, ..message() };
        let payload = payload(&message);
        prop_assert!(payload.len() <= LONGEST_PAYLOAD, "{}", payload.len());
        let told: Value = serde_json::from_slice(&payload).unwrap();
        let told = told["text"].as_str().unwrap();
        prop_assert!(told == message.text || message.text.starts_with(told.trim_end_matches('…')));
    }
}
