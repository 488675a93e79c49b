//! Encryption for one browser: RFC 8291, which is the content coding `aes128gcm` of RFC 8188 with one record and a key
//! agreed upon over P-256.

use p256::ecdh::diffie_hellman;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};

use super::subscription::{POINT_LENGTH, Subscription};

pub(super) const SALT_LENGTH: usize = 16;
/// In bytes, of the one record, tag included: what every push service takes.
const RECORD_LENGTH: u32 = 4096;
/// After the text of a last record.
const LAST_RECORD: u8 = 2;

/// `sender` and `salt` are of this one message. The result is the request's body: salt (16 bytes), record length (4),
/// length of the key (1), the sender's public key (65), and the record.
///
/// # Errors
/// Longer than a record.
pub(super) fn encrypt(
    plaintext: &[u8],
    to: &Subscription,
    sender: &SecretKey,
    salt: [u8; SALT_LENGTH],
) -> Result<Vec<u8>, Unspecified> {
    let mut record = [plaintext, &[LAST_RECORD]].concat();
    if record.len() + AES_128_GCM.tag_len() > RECORD_LENGTH as usize {
        return Err(Unspecified);
    }
    let sender_public = sender.public_key();
    let (key, nonce) = keys(sender, &to.key, &to.key, &sender_public, &to.auth, &salt)?;
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;
    Ok([salt.as_slice(), &RECORD_LENGTH.to_be_bytes(), &[POINT_LENGTH as u8], &sender_public.to_sec1_bytes(), &record]
        .concat())
}

/// The same for both sides: each has its `own` secret and the `other`'s key.
pub(super) fn keys(
    own: &SecretKey,
    other: &PublicKey,
    browser: &PublicKey,
    sender: &PublicKey,
    auth: &[u8],
    salt: &[u8],
) -> Result<(LessSafeKey, Nonce), Unspecified> {
    let shared = diffie_hellman(own.to_nonzero_scalar(), other.as_affine());
    let info = [b"WebPush: info\0".as_slice(), &browser.to_sec1_bytes(), &sender.to_sec1_bytes()].concat();
    let mut input = [0; 32];
    Salt::new(HKDF_SHA256, auth).extract(shared.raw_secret_bytes()).expand(&[&info], HKDF_SHA256)?.fill(&mut input)?;

    let derived = Salt::new(HKDF_SHA256, salt).extract(&input);
    let key = UnboundKey::from(derived.expand(&[b"Content-Encoding: aes128gcm\0"], &AES_128_GCM)?);
    // The first bytes are the same however many are asked for.
    let mut nonce = [0; 32];
    derived.expand(&[b"Content-Encoding: nonce\0"], HKDF_SHA256)?.fill(&mut nonce)?;
    Ok((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(&nonce[..NONCE_LEN])?))
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::super::BASE64URL;
    use super::*;

    /// As the browser does it.
    pub(in super::super) fn decrypt(body: &[u8], browser: &SecretKey, auth: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at_checked(SALT_LENGTH)?;
        let (length, rest) = rest.split_at_checked(4)?;
        let (key_length, rest) = rest.split_first()?;
        let (sender, record) = rest.split_at_checked(usize::from(*key_length))?;
        if record.len() > u32::from_be_bytes(length.try_into().ok()?) as usize {
            return None;
        }
        let sender = PublicKey::from_sec1_bytes(sender).ok()?;
        let (key, nonce) = keys(browser, &sender, &browser.public_key(), &sender, auth, salt).ok()?;
        let mut record = record.to_vec();
        let padded = key.open_in_place(nonce, Aad::empty(), &mut record).ok()?;
        let end = padded.iter().rposition(|byte| *byte != 0)?;
        (padded[end] == LAST_RECORD).then(|| padded[..end].to_vec())
    }

    fn decode(text: &str) -> Vec<u8> {
        BASE64URL.decode(text).unwrap()
    }

    fn secret(text: &str) -> SecretKey {
        SecretKey::from_slice(&decode(text)).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_comes_out() {
        let browser = secret("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let to = Subscription::new("https://push.example.net/", key, auth).unwrap();
        let sender = secret("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let plaintext = b"When I grow up, I want to be a watermelon";

        let body = encrypt(plaintext, &to, &sender, salt).unwrap();
        assert_eq!(
            BASE64URL.encode(&body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6P\
             Bru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
        assert_eq!(decrypt(&body, &browser, &decode(auth)).unwrap(), plaintext);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn only_the_browser_reads_it_and_no_byte_can_change(
            plaintext in proptest::collection::vec(any::<u8>(), 0..200),
            own in proptest::array::uniform32(1_u8..=200),
            other in proptest::array::uniform32(1_u8..=200),
            auth in any::<[u8; 16]>(),
            salt in any::<[u8; 16]>(),
            at_byte in any::<prop::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let browser = SecretKey::from_slice(&own).unwrap();
            let sender = SecretKey::from_slice(&other).unwrap();
            let to = Subscription::new(
                "https://push.example.net/",
                &BASE64URL.encode(browser.public_key().to_sec1_bytes()),
                &BASE64URL.encode(auth),
            ).unwrap();
            let mut body = encrypt(&plaintext, &to, &sender, salt).unwrap();
            prop_assert_eq!(decrypt(&body, &browser, &auth), Some(plaintext));
            prop_assert_eq!(decrypt(&body, &sender, &auth), None);
            prop_assert_eq!(decrypt(&body, &browser, &[0; 16]), None);

            let index = at_byte.index(body.len());
            body[index] ^= flip;
            // The record length alone is not authenticated.
            if !(SALT_LENGTH..SALT_LENGTH + 4).contains(&index) {
                prop_assert_eq!(decrypt(&body, &browser, &auth), None);
            }
        }
    }

    #[test]
    fn more_than_a_record_is_refused() {
        let key = SecretKey::from_slice(&[7; 32]).unwrap();
        let public = BASE64URL.encode(key.public_key().to_sec1_bytes());
        let to = Subscription::new("https://push.example.net/", &public, "BTBZMqHH6r4Tts7J_aSIgg").unwrap();
        assert!(encrypt(&[0; 4096 - 17], &to, &key, [0; 16]).is_ok());
        assert!(encrypt(&[0; 4096 - 16], &to, &key, [0; 16]).is_err());
    }
}
