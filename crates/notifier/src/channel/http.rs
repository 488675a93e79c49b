//! One POST to a server that somebody named: bounded in time, no redirect followed, nothing read of what it answers.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use url::Url;

use super::Failure;

/// From the look-up of the host's name to the answer's headers.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever asks to be left alone for longer is asked again after this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// In bytes; the endpoints of push services are some hundred.
const LONGEST_URL: usize = 2048;

/// Why a text is not an address that something is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("not a URL")]
    NotUrl,
    #[error("longer than {LONGEST_URL} bytes")]
    TooLong,
    #[error("neither http nor https")]
    Scheme,
    #[error("names a user or a password")]
    Credentials,
}

/// Reads an address that came from outside: http or https, with a host, without user and password. What is behind it is
/// not looked at: it may be in the house.
pub(super) fn address(text: &str) -> Result<Url, UrlError> {
    if text.len() > LONGEST_URL {
        return Err(UrlError::TooLong);
    }
    let mut url = Url::parse(text).map_err(|_| UrlError::NotUrl)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(UrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    url.set_fragment(None);
    Ok(url)
}

/// A client for servers that nobody has to trust. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    timeout: Duration,
}

impl Http {
    /// Waits 10 s for an answer.
    ///
    /// # Errors
    /// The machine's root certificates cannot be read.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with_timeout(TIMEOUT)
    }

    /// As [`Http::new`], with another patience.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn with_timeout(timeout: Duration) -> Result<Self, reqwest::Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Lost only to another thread that installs one at this moment, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .referer(false)
            .user_agent("Aether")
            // Messages are rare, and one must not meet a connection that is just being closed.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, timeout })
    }

    /// Sends `body` once. `service` is what a person calls the other side, such as `push service`. The answer's body is
    /// never read: its status says all.
    pub(super) async fn post(
        &self,
        service: &str,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(), Failure> {
        let service = format!("the {service} {}", url.host_str().unwrap_or_default());
        let response = match self.client.post(url.clone()).headers(headers).body(body).send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => {
                let timeout = self.timeout;
                return Err(Failure::temporary(format!("{service} did not answer within {timeout:?}")));
            }
            Err(error) if error.is_connect() => {
                return Err(Failure::temporary(format!("{service} could not be reached")));
            }
            Err(error) if error.is_builder() => {
                return Err(Failure::permanent(format!("nothing can be sent to {service}")));
            }
            Err(_) => return Err(Failure::temporary(format!("{service} broke off"))),
        };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        judge(&service, response.status(), retry_after, SystemTime::now())
    }
}

/// What a status means for the message and its target.
fn judge(service: &str, status: StatusCode, retry_after: Option<&str>, now: SystemTime) -> Result<(), Failure> {
    let status_code = status.as_u16();
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(later(service, status_code, retry_after, now))
        }
        _ if status.is_server_error() => Err(later(service, status_code, retry_after, now)),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(Failure::permanent(format!("{service} no longer knows this address (answered {status_code})")))
        }
        _ if status.is_redirection() => {
            Err(Failure::permanent(format!("{service} redirects (answered {status_code}), which is not followed")))
        }
        _ => Err(Failure::permanent(format!("{service} answered {status_code}"))),
    }
}

fn later(service: &str, status: u16, retry_after: Option<&str>, now: SystemTime) -> Failure {
    Failure::Temporary {
        reason: format!("{service} answered {status}"),
        retry_after: retry_after.and_then(|value| wait(value, now)),
    }
}

/// Reads `Retry-After`: seconds, or a date. At most an hour; a date that has passed is no wait.
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number beyond 64 bits does not parse.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(status: u16, retry_after: Option<&str>) -> Result<(), Failure> {
        judge("the thing", StatusCode::from_u16(status).unwrap(), retry_after, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        for status in [200, 201, 202, 204] {
            assert_eq!(verdict(status, None), Ok(()));
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(verdict(status, None), Err(Failure::Temporary { retry_after: None, .. })), "{status}");
        }
        for status in [301, 302, 304, 307, 400, 401, 403, 404, 410, 413] {
            let Err(Failure::Permanent { reason }) = verdict(status, Some("5")) else { panic!("{status}") };
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_717); // Sun, 06 Nov 1994 08:48:37 GMT
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("3601", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 07:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2044 07:49:37 GMT", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
        let Err(Failure::Temporary { retry_after, .. }) = verdict(503, Some("7")) else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_address_is_http_with_a_host_and_without_a_user() {
        for good in ["https://hooks.example.org/a?b=c", "http://127.0.0.1:8080/", "http://[::1]/x", "http://nas.local"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        assert_eq!(address("https://a.example/x#part").unwrap().as_str(), "https://a.example/x");
        for (bad, error) in [
            ("", UrlError::NotUrl),
            ("hooks.example.org", UrlError::NotUrl),
            ("https://", UrlError::NotUrl),
            ("file:///etc/passwd", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("gopher://a.example/", UrlError::Scheme),
            ("https://user@a.example/", UrlError::Credentials),
            ("https://:word@a.example/", UrlError::Credentials),
        ] {
            assert_eq!(address(bad), Err(error), "{bad}");
        }
        assert_eq!(address(&format!("https://a.example/{}", "x".repeat(LONGEST_URL))), Err(UrlError::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_is_read_never_panics(text in ".{0,80}", seconds in 0_u64..4_000_000_000) {
            let _ = wait(&text, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            if let Ok(url) = address(&text) {
                prop_assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
            }
        }
    }
}
