//! SCRAM-SHA-256 (RFC 5802 and 7677), the way Postgres asks for a password. Pure.

use std::num::NonZeroU32;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2};

/// A server that asks for more wants our processor, not our password.
const MOST_ITERATIONS: u32 = 1_000_000;

/// What is sent last, and what must come back.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof {
    pub message: String,
    pub expected: String,
}

/// The answer to the server's first message; `None` when that is not one.
pub fn prove(password: &str, client_first_bare: &str, server_first: &str) -> Option<Proof> {
    let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name));
    let (nonce, salt) = (field("r=")?, STANDARD.decode(field("s=")?).ok()?);
    let iterations: u32 = field("i=")?.parse().ok()?;
    let iterations = NonZeroU32::new(iterations).filter(|count| count.get() <= MOST_ITERATIONS)?;
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);

    // "biws" is "n,,": no channel is bound.
    let without_proof = format!("c=biws,r={nonce}");
    let signed = format!("{client_first_bare},{server_first},{without_proof}");
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let signature = sign(stored_key.as_ref(), signed.as_bytes());
    let proof: Vec<u8> =
        client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, signature)| key ^ signature).collect();
    let server_key = sign(&salted, b"Server Key");
    let server_signature = sign(server_key.as_ref(), signed.as_bytes());
    Some(Proof {
        message: format!("{without_proof},p={}", STANDARD.encode(proof)),
        expected: format!("v={}", STANDARD.encode(server_signature)),
    })
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = prove("pencil", "n=user,r=rOprNGfwEbeRWgbNEkqO", server_first).unwrap();
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(proof.expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn what_is_no_first_message_proves_nothing() {
        for message in ["", "r=a", "r=a,s=!!,i=1", "r=a,s=YQ==,i=0", "r=a,s=YQ==,i=4000000000", "r=a,s=YQ==,i=x"] {
            assert_eq!(prove("pencil", "n=,r=a", message), None, "{message}");
        }
    }
}
