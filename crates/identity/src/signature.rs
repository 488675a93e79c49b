//! How a webhook proves who sent it: the [Standard Webhooks](https://www.standardwebhooks.com) signature, made and checked,
//! and GitHub's, checked.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::keyring::HmacSha256;

/// What the clocks of two machines may differ, and what a request may take.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

const SECRET_PREFIX: &str = "whsec_";
/// In bytes, by the specification.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a text is not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("does not begin with {SECRET_PREFIX}")]
    Prefix,
    #[error("not base64 after {SECRET_PREFIX}")]
    Base64,
    #[error("not of 24 to 64 bytes")]
    Length,
}

/// What sender and receiver of a webhook share. Its text form is `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Of 32 bytes that nobody can guess.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// The text form, to be stored or told once.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !SECRET_LENGTHS.contains(&bytes.len()) {
            return Err(SecretError::Length);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("its id is empty or has a full stop in it")]
    Id,
    #[error("its timestamp is not a number of seconds")]
    Timestamp,
    #[error("too old")]
    TooOld,
    #[error("from the future")]
    FromTheFuture,
    #[error("not signed in a way that is known here")]
    NotSigned,
    #[error("its signature does not fit")]
    Mismatch,
    #[error("no secret is set, so nothing can be believed")]
    NoSecret,
}

/// The `webhook-signature` of a body: `v1,` and base64. `id` must hold no full stop: it separates what is signed.
pub fn sign(secret: &Secret, id: &str, timestamp_unix_s: u64, body: &[u8]) -> String {
    let tag = signed(secret, id, &timestamp_unix_s.to_string(), body).finalize().into_bytes();
    format!("v1,{}", STANDARD.encode(tag))
}

/// Believes a webhook, or says why not. `id`, `timestamp` and `signatures` are its `webhook-id`, `webhook-timestamp`
/// (Unix seconds) and `webhook-signature` (one or more, separated by spaces; one that fits is enough) as they came.
/// Compares in constant time. Whether the id has been seen before is the caller's question.
///
/// # Errors
/// [`Refused`].
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: SystemTime,
    tolerance: Duration,
) -> Result<(), Refused> {
    if id.is_empty() || id.contains('.') {
        return Err(Refused::Id);
    }
    if timestamp.is_empty() || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::Timestamp);
    }
    let seconds = timestamp.parse().map_err(|_| Refused::Timestamp)?;
    let sent = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(Refused::FromTheFuture)?;
    if now.duration_since(sent).is_ok_and(|age| age > tolerance) {
        return Err(Refused::TooOld);
    }
    if sent.duration_since(now).is_ok_and(|ahead| ahead > tolerance) {
        return Err(Refused::FromTheFuture);
    }

    let mac = signed(secret, id, timestamp, body);
    let mut refused = Refused::NotSigned;
    for signature in signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")) {
        refused = Refused::Mismatch;
        if STANDARD.decode(signature).is_ok_and(|tag| mac.clone().verify_slice(&tag).is_ok()) {
            return Ok(());
        }
    }
    Err(refused)
}

/// Believes a webhook of GitHub, or says why not. `header` is its `x-hub-signature-256`: `sha256=` and 64 hexadecimal
/// digits in lower case. It signs no time: that an old one is not sent again is for its `x-github-delivery` to tell.
///
/// # Errors
/// [`Refused`].
pub fn verify_github(secret: &str, header: &str, body: &[u8]) -> Result<(), Refused> {
    if secret.is_empty() {
        return Err(Refused::NoSecret);
    }
    let digits = header.strip_prefix("sha256=").ok_or(Refused::NotSigned)?;
    let tag = bytes(digits).ok_or(Refused::Mismatch)?;
    mac(secret.as_bytes()).chain_update(body).verify_slice(&tag).map_err(|_| Refused::Mismatch)
}

fn signed(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> HmacSha256 {
    let content: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    content.into_iter().fold(mac(&secret.0), |mac, part| mac.chain_update(part))
}

/// As HMAC says: a key that is longer than a block is hashed, a shorter one filled up with zeros.
fn mac(secret: &[u8]) -> HmacSha256 {
    let mut key = hmac::digest::Key::<HmacSha256>::default();
    let hashed = Sha256::digest(secret);
    let fitting = if secret.len() > key.len() { &hashed[..] } else { secret };
    key.iter_mut().zip(fitting).for_each(|(byte, given)| *byte = *given);
    HmacSha256::new(&key)
}

/// Of hexadecimal digits in lower case.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

#[cfg(test)]
mod tests;
