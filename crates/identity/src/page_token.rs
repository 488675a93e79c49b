//! Page tokens: `aetherpage_<claims>.<signature>`, both in URL-safe base64 without padding.
//!
//! The claims are readable to whoever holds the token; nobody can change them without the installation's secret. They live
//! for hours and can't be revoked. One may be exchanged for a younger one, so the claims say when the first of the chain was
//! made: that is what ends it.

use aether_proto::{AgentId, PersonId, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use serde::{Deserialize, Serialize};

use crate::bearer::PAGE_TOKEN;
use crate::{Keyring, Scopes};

/// The longest names make no more than half of this; more is not ours and not worth hashing.
const LONGEST: usize = 4096;

/// What a page token says of who holds it. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageClaims {
    pub tenant: TenantId,
    pub agent: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub scopes: Scopes,
    /// When the first token of this chain of renewals was made.
    pub first_issued_at: u64,
    /// From this second on it is nothing.
    pub expires_at: u64,
}

/// Why a text is not a token to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a page token")]
    Malformed,
    #[error("the page token was not signed here, or was changed since")]
    Forged,
    #[error("the page token has expired")]
    Expired,
}

impl Keyring {
    pub fn sign(&self, claims: &PageClaims) -> String {
        // A struct of strings and numbers always has a JSON form.
        let json = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{PAGE_TOKEN}{}", URL_SAFE_NO_PAD.encode(json));
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The claims of a token that was signed with this secret and lasts beyond `now_unix`. The signature is compared in
    /// constant time, and before anything inside is looked at.
    pub fn verify(&self, token: &str, now_unix: u64) -> Result<PageClaims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let payload = signed.strip_prefix(PAGE_TOKEN).ok_or(TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        self.mac(signed).verify_slice(&signature).map_err(|_| TokenError::Forged)?;
        // Signed here, so only another version's claims can fail to be read.
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let claims: PageClaims = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
        if claims.expires_at <= now_unix {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Principal, Scope};

    const NOW: u64 = 1_800_000_000;

    fn keyring() -> Keyring {
        Keyring::new("a secret of at least 32 characters")
    }

    fn claims() -> PageClaims {
        PageClaims {
            tenant: TenantId::new("acme").unwrap(),
            agent: AgentId::new("aether").unwrap(),
            person: Some(PersonId::new("ada").unwrap()),
            scopes: Scopes::PAGE,
            first_issued_at: NOW - 60,
            expires_at: NOW + 60,
        }
    }

    #[test]
    fn a_token_is_believed_until_its_last_second() {
        let token = keyring().sign(&claims());
        assert!(token.starts_with("aetherpage_"));
        assert_eq!(keyring().verify(&token, NOW), Ok(claims()));
        assert_eq!(keyring().verify(&token, NOW + 59), Ok(claims()));
        for late in [NOW + 60, NOW + 61, u64::MAX] {
            assert_eq!(keyring().verify(&token, late), Err(TokenError::Expired));
        }
    }

    #[test]
    fn a_token_makes_a_principal_without_a_key() {
        let principal = Principal::from(claims());
        assert_eq!((principal.key.as_deref(), principal.scopes), (None, Scopes::PAGE));
        assert!(principal.may(Scope::Talk) && !principal.may(Scope::Admin));
        assert_eq!(principal.sees_only(), principal.person.as_ref());
        let admin = Principal { scopes: Scopes::ALL, ..principal };
        assert_eq!(admin.sees_only(), None);
    }

    #[test]
    fn a_token_of_another_installation_is_forged() {
        let foreign = Keyring::new("another secret of 32 characters!").sign(&claims());
        assert_eq!(keyring().verify(&foreign, NOW), Err(TokenError::Forged));
        // Also when it has expired: nothing inside is believed before the signature.
        assert_eq!(keyring().verify(&foreign, NOW + 60), Err(TokenError::Forged));
    }

    #[test]
    fn claims_under_another_tokens_signature_are_forged() {
        let own = keyring().sign(&claims());
        let admin =
            Keyring::new("another secret of 32 characters!").sign(&PageClaims { scopes: Scopes::ALL, ..claims() });
        let spliced = format!("{}.{}", admin.split_once('.').unwrap().0, own.split_once('.').unwrap().1);
        assert_eq!(keyring().verify(&spliced, NOW), Err(TokenError::Forged));
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let good = keyring().sign(&claims());
        let (signed, signature) = good.split_once('.').unwrap();
        for bad in [
            String::new(),
            "aetherpage_".to_owned(),
            signed.to_owned(),
            format!("{good}."),
            format!("{good}="),
            format!("aether_{}", &good["aetherpage_".len()..]),
            format!("x{good}"),
            format!("{signed}.{signature}\n"),
            format!("{signed}.{}", "A".repeat(LONGEST)),
        ] {
            assert_eq!(keyring().verify(&bad, NOW), Err(TokenError::Malformed), "{bad:?}");
        }
        assert_eq!(keyring().verify(&format!("{signed}."), NOW), Err(TokenError::Forged), "an empty signature");
        assert_eq!(keyring().verify(&format!("{signed}.{}", &signature[..4]), NOW), Err(TokenError::Forged));
    }

    #[test]
    fn signed_claims_that_cannot_be_read_are_malformed() {
        for json in
            ["{}", "null", r#"{"tenant":"","agent":"a","scopes":"","first_issued_at":0,"expires_at":9999999999}"#]
        {
            let signed = format!("{PAGE_TOKEN}{}", URL_SAFE_NO_PAD.encode(json));
            let signature = URL_SAFE_NO_PAD.encode(keyring().mac(&signed).finalize().into_bytes());
            assert_eq!(keyring().verify(&format!("{signed}.{signature}"), NOW), Err(TokenError::Malformed), "{json}");
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_fails() {
        let token = keyring().sign(&claims());
        for position in 0..token.len() {
            for byte in 0x20..0x7F {
                let mut changed = token.clone().into_bytes();
                if changed[position] == byte {
                    continue;
                }
                changed[position] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(keyring().verify(&changed, NOW).is_err(), "{changed}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_claim_round_trips(
            tenant in "\\PC{1,32}", agent in "\\PC{1,32}", person in prop::option::of("\\PC{1,32}"),
            scopes in prop::sample::subsequence(Scope::ALL.to_vec(), 0..=4), from in any::<u64>(), left in 1..u64::MAX,
        ) {
            let claims = PageClaims {
                tenant: TenantId::new(tenant).unwrap(),
                agent: AgentId::new(agent).unwrap(),
                person: person.map(|person| PersonId::new(person).unwrap()),
                scopes: scopes.into_iter().collect(),
                first_issued_at: from,
                expires_at: left,
            };
            let token = keyring().sign(&claims);
            prop_assert!(token.len() < LONGEST);
            prop_assert_eq!(keyring().verify(&token, left - 1), Ok(claims));
        }

        #[test]
        fn no_text_is_believed_by_chance(text in "(aetherpage_)?[A-Za-z0-9_.-]{0,200}") {
            prop_assert!(keyring().verify(&text, 0).is_err());
        }
    }

    #[test]
    fn the_longest_names_fit() {
        let longest = "\"".repeat(TenantId::MAX_LENGTH);
        let claims = PageClaims {
            tenant: TenantId::new(longest.clone()).unwrap(),
            agent: AgentId::new(longest.clone()).unwrap(),
            person: Some(PersonId::new(longest).unwrap()),
            scopes: Scopes::ALL,
            first_issued_at: u64::MAX,
            expires_at: u64::MAX,
        };
        let token = keyring().sign(&claims);
        assert!(token.len() < LONGEST / 2, "{}", token.len());
        assert_eq!(keyring().verify(&token, NOW), Ok(claims));
    }
}
