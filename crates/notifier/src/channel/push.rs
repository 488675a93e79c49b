//! Web push: a message to a browser that may be closed, through the push service of whoever makes the browser.
//!
//! The service is told who sends (`vapid.rs`) and how urgent it is, and gets nothing to read: the message is encrypted for
//! the browser (`aes128gcm.rs`), whose `subscription.rs` says where to and with which key.

mod aes128gcm;
mod subscription;
mod vapid;

use std::time::{Duration, SystemTime};

use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use p256::SecretKey;
use p256::elliptic_curve::Generate as _;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use url::Url;

use super::http::Http;
use super::{Failure, Message, Urgency};

pub use subscription::Subscription;
pub use vapid::VapidKey;

/// Browsers and their services differ in whether they write the padding; here it is never written.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_encode_padding(false),
);

/// In bytes of JSON. A push service must take 4096 bytes of body; what encryption adds is 103.
const LONGEST_PAYLOAD: usize = 3 * 1024;
/// In bytes of JSON without its quotes.
const LONGEST_TITLE: usize = 512;
const LONGEST_URL: usize = 1024;

/// A contact that no push service would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the contact for push services is neither a mailto: nor an https: URL")]
pub struct ContactError;

/// Sends messages to browsers.
#[derive(Debug)]
pub struct Push {
    http: Http,
    key: VapidKey,
    contact: Url,
}

/// What the page's service worker reads.
#[derive(Serialize)]
struct Payload<'a> {
    notification_id: String,
    title: &'a str,
    text: &'a str,
    url: &'a str,
}

impl Push {
    /// `contact` is whom a push service turns to about these messages: a `mailto:` or `https:` URL, which Apple wants to
    /// be of a real domain.
    ///
    /// # Errors
    /// [`ContactError`].
    pub fn new(http: Http, key: VapidKey, contact: &str) -> Result<Self, ContactError> {
        let contact = Url::parse(contact).map_err(|_| ContactError)?;
        match contact.scheme() {
            "mailto" if contact.path().contains('@') => {}
            "https" => {}
            _ => return Err(ContactError),
        }
        Ok(Self { http, key, contact })
    }

    /// What the page subscribes with: base64url, 65 bytes.
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// Tells one browser. A text that is too long is cut.
    ///
    /// # Errors
    /// [`Failure::Permanent`] where the subscription is gone or the service refuses what is sent.
    pub async fn send(&self, subscription: &Subscription, message: &Message) -> Result<(), Failure> {
        let unsendable = |_| Failure::temporary("the message could not be encrypted for the browser");
        let sender = SecretKey::generate_from_rng(&mut rand::rng());
        let body = aes128gcm::encrypt(&payload(message), subscription, &sender, rand::random()).map_err(unsendable)?;

        let authorization = self.key.authorization(&subscription.endpoint, &self.contact, SystemTime::now());
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|_| Failure::temporary("this server cannot say who it is to the push service"))?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (HeaderName::from_static("ttl"), time_to_live(message.urgency).as_secs().into()),
            (HeaderName::from_static("urgency"), HeaderValue::from_static(urgency(message.urgency))),
        ]);
        self.http.post("push service", &subscription.endpoint, headers, body).await
    }
}

/// How long the service keeps it for a browser that is away: what is urgent is of no use a day later.
const fn time_to_live(urgency: Urgency) -> Duration {
    let hours = match urgency {
        Urgency::Low => 24,
        Urgency::Normal => 12,
        Urgency::High => 4,
        Urgency::Urgent => 1,
    };
    Duration::from_secs(hours * 3600)
}

/// In the words of RFC 8030, which knows nothing beyond `high`.
const fn urgency(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Low => "low",
        Urgency::Normal => "normal",
        Urgency::High | Urgency::Urgent => "high",
    }
}

/// The message as JSON of at most [`LONGEST_PAYLOAD`] bytes. Titles and texts are cut; a URL that is too long is left out,
/// as half of one leads nowhere.
fn payload(message: &Message) -> Vec<u8> {
    let url = if json_length(&message.url) > LONGEST_URL { "" } else { &message.url };
    let title = cut(&message.title, LONGEST_TITLE);
    let mut payload = Payload { notification_id: message.id.to_string(), title: &title, text: "", url };
    let rest = LONGEST_PAYLOAD.saturating_sub(json(&payload).len());
    let text = cut(&message.text, rest);
    payload.text = &text;
    json(&payload)
}

/// The longest beginning whose JSON, without quotes, fits into so many bytes; with an ellipsis where something is missing.
fn cut(text: &str, longest: usize) -> String {
    const ELLIPSIS: &str = "…";
    // JSON never shortens a text, so what is behind this need not be looked at.
    let start = &text[..text.floor_char_boundary(longest)];
    if start.len() == text.len() && json_length(text) <= longest {
        return text.to_owned();
    }
    let Some(room) = longest.checked_sub(ELLIPSIS.len()) else { return String::new() };
    let ends: Vec<usize> = start.char_indices().map(|(at, character)| at + character.len_utf8()).collect();
    let fitting = ends.partition_point(|&end| json_length(&start[..end]) <= room);
    let end = fitting.checked_sub(1).map_or(0, |last| ends[last]);
    format!("{}{ELLIPSIS}", &start[..end])
}

/// Without the quotes.
fn json_length(text: &str) -> usize {
    json(&text).len().saturating_sub(2)
}

/// Of strings and structs of strings, which always have one.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
