//! A message to a person's own software: a POST that is signed as [Standard Webhooks](https://www.standardwebhooks.com) say.
//!
//! The software may be in the house, so an address there is as good as any other. What an address cannot do: be of another
//! scheme than http and https, carry a user, lead elsewhere by a redirect, or show anybody what it answered.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aether_identity::{Secret, sign};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use url::Url;

use super::http::{self, Http, UrlError};
use super::{Failure, Message};

/// Sends messages to software.
#[derive(Debug)]
pub struct Webhook {
    http: Http,
}

/// Where one person's software listens, and what it checks signatures with.
#[derive(Clone)]
pub struct WebhookTarget {
    url: Url,
    secret: Secret,
}

impl WebhookTarget {
    /// Reads an address that a person gave.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str, secret: Secret) -> Result<Self, UrlError> {
        Ok(Self { url: http::address(url)?, secret })
    }
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookTarget({})", self.url.host_str().unwrap_or_default())
    }
}

/// In the shape that the specification recommends.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    /// When it was made, RFC 3339; when it was sent stands in the header.
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    notification_id: String,
    title: &'a str,
    text: &'a str,
    url: &'a str,
    urgency: &'static str,
}

impl Webhook {
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    /// Tells one software. Sent again, the same message has the same `webhook-id` and a new time.
    ///
    /// # Errors
    /// [`Failure::Permanent`] where the address is gone, redirects, or refuses what is sent.
    pub async fn send(&self, target: &WebhookTarget, message: &Message) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = message.id.to_string();
        let body = body(message);
        let signature = HeaderValue::try_from(sign(&target.secret, &id, now, &body));
        let (Ok(id), Ok(signature)) = (HeaderValue::try_from(id), signature) else {
            return Err(Failure::temporary("the message could not be signed"));
        };
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("webhook-id"), id),
            (HeaderName::from_static("webhook-timestamp"), now.into()),
            (HeaderName::from_static("webhook-signature"), signature),
        ]);
        self.http.post("webhook at", &target.url, headers, body).await
    }
}

fn body(message: &Message) -> Vec<u8> {
    let body = Body {
        r#type: "notification",
        timestamp: Timestamp::from_millisecond(message.created_unix_ms).unwrap_or_default().to_string(),
        data: Data {
            notification_id: message.id.to_string(),
            title: &message.title,
            text: &message.text,
            url: &message.url,
            urgency: message.urgency.as_str(),
        },
    };
    // Of strings, which always have one.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests;
