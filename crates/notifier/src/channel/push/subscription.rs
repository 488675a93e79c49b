//! Where a browser is reached, as the browser says.

use std::fmt;

use base64::Engine as _;
use p256::PublicKey;
use url::Url;

use super::super::http::{self, UrlError};
use super::BASE64URL;

/// An uncompressed point: a 4, and two coordinates of 32 bytes.
pub(super) const POINT_LENGTH: usize = 65;
const AUTH_LENGTH: usize = 16;

/// Why no browser can be reached with what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    #[error("the endpoint is {0}")]
    Endpoint(UrlError),
    #[error("the endpoint is not https")]
    NotHttps,
    #[error("the key p256dh is not a point on P-256 in base64url")]
    Key,
    #[error("the secret auth is not 16 bytes in base64url")]
    Auth,
}

/// A browser's `PushSubscription`.
#[derive(Clone)]
pub struct Subscription {
    pub(super) endpoint: Url,
    pub(super) key: PublicKey,
    pub(super) auth: [u8; AUTH_LENGTH],
}

impl Subscription {
    /// Reads what a page hands over: its `endpoint`, and its keys `p256dh` and `auth` in base64url, padded or not.
    ///
    /// # Errors
    /// [`SubscriptionError`] names the first part that is wrong.
    pub fn new(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, SubscriptionError> {
        let endpoint = http::address(endpoint).map_err(SubscriptionError::Endpoint)?;
        if endpoint.scheme() != "https" {
            return Err(SubscriptionError::NotHttps);
        }
        let point: [u8; POINT_LENGTH] = decode(p256dh).ok_or(SubscriptionError::Key)?;
        let key = PublicKey::from_sec1_bytes(&point).map_err(|_| SubscriptionError::Key)?;
        let auth = decode(auth).ok_or(SubscriptionError::Auth)?;
        Ok(Self { endpoint, key, auth })
    }

    /// Of the push service; what of the endpoint may be shown.
    pub fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.host())
    }
}

/// Exactly `N` bytes.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // With padding; so that nothing is decoded that cannot fit.
    if text.len() > N.div_ceil(3) * 4 {
        return None;
    }
    BASE64URL.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENDPOINT: &str = "https://push.example.net/wpush/v2/abc";
    const KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn base64url_is_read_with_and_without_padding() {
        for (key, auth) in [(KEY.to_owned(), AUTH.to_owned()), (format!("{KEY}="), format!("{AUTH}=="))] {
            let subscription = Subscription::new(ENDPOINT, &key, &auth).unwrap();
            assert_eq!(BASE64URL.encode(subscription.auth), AUTH);
            assert_eq!(BASE64URL.encode(subscription.key.to_sec1_bytes()), KEY);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let compressed = BASE64URL.encode([[2].as_slice(), &[7; 32]].concat());
        let not_on_the_curve = BASE64URL.encode([[4].as_slice(), &[7; 64]].concat());
        let hybrid = BASE64URL.encode([[6].as_slice(), &BASE64URL.decode(KEY).unwrap()[1..]].concat());
        let infinity = BASE64URL.encode([0]);
        let zeros = BASE64URL.encode([0; 65]);
        let standard_alphabet = KEY.replace('_', "/").replace('-', "+");
        for key in ["", "!", &KEY[1..], &compressed, &not_on_the_curve, &hybrid, &infinity, &zeros, &standard_alphabet]
        {
            assert_eq!(Subscription::new(ENDPOINT, key, AUTH).unwrap_err(), SubscriptionError::Key, "{key}");
        }
        for auth in ["", "BTBZMqHH6r4Tts7J_aSI", "BTBZMqHH6r4Tts7J_aSIgg==AA", &AUTH.repeat(1000)] {
            assert_eq!(Subscription::new(ENDPOINT, KEY, auth).unwrap_err(), SubscriptionError::Auth);
        }
        for (endpoint, error) in [
            ("http://push.example.net/abc", SubscriptionError::NotHttps),
            ("https://me:word@push.example.net/abc", SubscriptionError::Endpoint(UrlError::Credentials)),
            ("data:text/plain,abc", SubscriptionError::Endpoint(UrlError::Scheme)),
            ("/wpush/v2/abc", SubscriptionError::Endpoint(UrlError::NotUrl)),
        ] {
            assert_eq!(Subscription::new(endpoint, KEY, AUTH).unwrap_err(), error);
        }
    }

    #[test]
    fn it_shows_nothing_but_the_services_host() {
        let subscription = Subscription::new(ENDPOINT, KEY, AUTH).unwrap();
        assert_eq!(format!("{subscription:?}"), "Subscription(push.example.net)");
    }

    proptest! {
        #[test]
        fn no_subscription_makes_it_panic(
            endpoint in "(https?://)?.{0,40}",
            key in "[A-Za-z0-9_=-]{86,88}|.{0,90}",
            point in proptest::collection::vec(any::<u8>(), 64),
            auth in "[A-Za-z0-9_=-]{21,24}|.{0,30}",
        ) {
            let point = BASE64URL.encode([[4].as_slice(), &point].concat());
            for key in [key, point] {
                let _ = Subscription::new(&endpoint, &key, &auth);
                let _ = Subscription::new(ENDPOINT, &key, &auth);
            }
            if let Ok(subscription) = Subscription::new(&endpoint, KEY, AUTH) {
                prop_assert_eq!(subscription.endpoint.scheme(), "https");
            }
        }
    }
}
