//! Who sends a push: RFC 8292. The service lets only the key in with which the page subscribed.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use url::Url;

use super::BASE64URL;

/// How long one token lets in. At most a day by the RFC; half of it forgives a clock that is wrong.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// The private key of this server towards push services: always the same, as every subscription is bound to it.
#[derive(Clone)]
pub struct VapidKey(SecretKey);

impl VapidKey {
    /// `derive` gives 32 bytes for each number; nearly always the first are a key already.
    pub fn derived(derive: impl Fn(u32) -> [u8; 32]) -> Option<Self> {
        (0..8).find_map(|number| SecretKey::from_slice(&derive(number)).ok()).map(Self)
    }

    /// What a page subscribes with (`applicationServerKey`): an uncompressed point, base64url of 65 bytes.
    pub fn public_key(&self) -> String {
        BASE64URL.encode(self.0.public_key().to_sec1_bytes())
    }

    /// The value of `Authorization` for one request to `endpoint`.
    pub(super) fn authorization(&self, endpoint: &Url, contact: &Url, now: SystemTime) -> String {
        let expires = now.duration_since(UNIX_EPOCH).unwrap_or_default() + LIFE;
        let header = serde_json::json!({ "typ": "JWT", "alg": "ES256" });
        let claims = serde_json::json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": expires.as_secs(),
            "sub": contact.as_str(),
        });
        let signed = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let signature: Signature = SigningKey::from(&self.0).sign(signed.as_bytes());
        format!("vapid t={signed}.{}, k={}", BASE64URL.encode(signature.to_bytes()), self.public_key())
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidKey(public {})", self.public_key())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;

    use super::*;

    /// As a push service does it: the claims, if the signature is of the key beside it.
    pub(in super::super) fn believe(authorization: &str) -> (serde_json::Value, String) {
        let (token, key) = authorization.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let verifying = VerifyingKey::from_sec1_bytes(&BASE64URL.decode(key).unwrap()).unwrap();
        let signature = Signature::from_slice(&BASE64URL.decode(signature).unwrap()).unwrap();
        verifying.verify(signed.as_bytes(), &signature).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let parse = |part: &str| serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap();
        let header: serde_json::Value = parse(header);
        assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "ES256" }));
        (parse(claims), key.to_owned())
    }

    #[test]
    fn a_token_is_for_the_services_origin_and_half_a_day() {
        let key = VapidKey::derived(|_| rand::random()).unwrap();
        let endpoint = Url::parse("https://push.example.net:8443/secret/path?x=y").unwrap();
        let contact = Url::parse("mailto:post@example.org").unwrap();
        let (claims, told) = believe(&key.authorization(&endpoint, &contact, UNIX_EPOCH + Duration::from_secs(1000)));
        assert_eq!(
            claims,
            serde_json::json!({ "aud": "https://push.example.net:8443", "exp": 44_200, "sub": "mailto:post@example.org" })
        );
        assert_eq!(told, key.public_key());
    }

    #[test]
    fn a_key_is_made_of_32_bytes_and_shows_only_its_public_half() {
        // The application server's keys of RFC 8291.
        let bytes = BASE64URL.decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let bytes: [u8; 32] = bytes.try_into().unwrap();
        // What is no key is passed over.
        let key = VapidKey::derived(|number| [[0; 32], [255; 32], bytes][number as usize]).unwrap();
        let public = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        assert_eq!(key.public_key(), public);
        assert_eq!(format!("{key:?}"), format!("VapidKey(public {public})"));
        assert!(VapidKey::derived(|_| [0; 32]).is_none());
    }
}
