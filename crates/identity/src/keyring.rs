//! API keys: `aether_<prefix>_<secret>`, both parts letters and digits.
//!
//! The prefix is the key's public name. What is stored beside it is an HMAC of the whole text under the installation's own
//! secret: whoever reads the table can neither use a key nor try out guesses. The secret half has 256 bits of chance in it,
//! so a slow hash would add nothing but time to each request.

use std::fmt;

use hmac::digest::{CtOutput, Output};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::distr::{Alphanumeric, SampleString as _};
use sha2::{Digest as _, Sha256};

use crate::bearer::KEY;

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// 71 bits: two keys of one installation never share it.
const PREFIX_LENGTH: usize = 12;
/// 256 bits.
const SECRET_LENGTH: usize = 43;

/// The installation's secret, ready for use. Cheap to clone.
///
/// One secret serves keys and page tokens: their texts begin differently, so a hash of one is never a signature of the other.
#[derive(Clone)]
pub struct Keyring(HmacSha256);

/// A key at the only moment when its text is known.
pub struct NewKey {
    /// To be shown to its owner, once.
    pub text: String,
    pub prefix: String,
    /// To be stored.
    pub hash: Vec<u8>,
}

/// What a caller showed, in the form in which it can be looked up and compared.
pub struct PresentedKey {
    pub prefix: String,
    pub hash: Vec<u8>,
}

impl Keyring {
    pub fn new(secret: &str) -> Self {
        // An HMAC's key is one block; the hash of the secret fits, however long the secret is.
        let mut key = hmac::digest::Key::<HmacSha256>::default();
        let hashed = Sha256::digest(secret);
        key.iter_mut().zip(hashed).for_each(|(byte, hashed)| *byte = hashed);
        Self(HmacSha256::new(&key))
    }

    /// A key that nobody had before.
    pub fn make_key(&self) -> NewKey {
        let mut random = rand::rng();
        let prefix = Alphanumeric.sample_string(&mut random, PREFIX_LENGTH);
        let secret = Alphanumeric.sample_string(&mut random, SECRET_LENGTH);
        let text = format!("{KEY}{prefix}_{secret}");
        let hash = self.hash(&text);
        NewKey { text, prefix, hash }
    }

    /// `None`: the text doesn't have the form of a key. Whether there is such a key, the store knows.
    pub fn read_key(&self, text: &str) -> Option<PresentedKey> {
        let (prefix, secret) = text.strip_prefix(KEY)?.split_once('_')?;
        let fits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (fits(prefix, PREFIX_LENGTH) && fits(secret, SECRET_LENGTH))
            .then(|| PresentedKey { prefix: prefix.to_owned(), hash: self.hash(text) })
    }

    /// 32 bytes that are always the same for this purpose and name, and tell nothing about any others.
    pub fn derive(&self, purpose: &str, name: &str) -> [u8; 32] {
        // Neither keys nor page tokens begin with a space, and no purpose holds a line's end.
        self.mac(&format!(" {purpose}\n{name}")).finalize().into_bytes().into()
    }

    pub(crate) fn mac(&self, text: &str) -> HmacSha256 {
        self.0.clone().chain_update(text)
    }

    fn hash(&self, text: &str) -> Vec<u8> {
        self.mac(text).finalize().into_bytes().to_vec()
    }
}

/// Whether two hashes of keys are the same, in a time that doesn't depend on where they differ. What hasn't the length of a
/// hash is the same as nothing.
pub fn same_hash(a: &[u8], b: &[u8]) -> bool {
    let read = |bytes| Output::<HmacSha256>::try_from(bytes).map(CtOutput::<HmacSha256>::new);
    read(a).is_ok_and(|a| read(b).is_ok_and(|b| a == b))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(***)")
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyring() -> Keyring {
        Keyring::new("a secret of at least 32 characters")
    }

    #[test]
    fn a_key_is_recognised_by_the_ring_that_made_it_and_by_no_other() {
        let key = keyring().make_key();
        let presented = keyring().read_key(&key.text).unwrap();
        assert_eq!(presented.prefix, key.prefix);
        assert!(same_hash(&presented.hash, &key.hash));
        let foreign = Keyring::new("another secret of 32 characters!").read_key(&key.text).unwrap();
        assert!(!same_hash(&foreign.hash, &key.hash));
    }

    #[test]
    fn what_is_derived_is_the_same_again_and_for_nothing_else() {
        let made = keyring().derive("source", "builds");
        assert_eq!(keyring().derive("source", "builds"), made);
        assert_ne!(keyring().derive("source", "build"), made);
        assert_ne!(keyring().derive("target", "builds"), made);
        assert_ne!(Keyring::new("another secret of 32 characters!").derive("source", "builds"), made);
    }

    #[test]
    fn keys_differ_and_have_the_documented_form() {
        let keys: Vec<_> = (0..100).map(|_| keyring().make_key()).collect();
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(key.text.len(), "aether_".len() + 12 + 1 + 43);
            assert!(key.text.starts_with(&format!("aether_{}_", key.prefix)));
            assert!(keys[..index].iter().all(|other| other.prefix != key.prefix && other.hash != key.hash));
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_key_is_none() {
        let good = keyring().make_key().text;
        let (prefix, secret) = (&good[7..19], &good[20..]);
        for bad in [
            String::new(),
            "aether_".to_owned(),
            format!("{good}x"),
            good[..good.len() - 1].to_owned(),
            format!(" {good}"),
            format!("aetherpage_{prefix}_{secret}"),
            format!("aether_{prefix}-{secret}"),
            format!("aether_{prefix}_{}", "é".repeat(21) + "x"),
            format!("aether_{prefix}_{}", "\0".repeat(43)),
            format!("aether_%{}_{secret}", &prefix[1..]),
        ] {
            assert!(keyring().read_key(&bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn only_equal_hashes_are_the_same() {
        let hash = keyring().make_key().hash;
        assert!(same_hash(&hash, &hash.clone()));
        assert!(!same_hash(&hash, &hash[..31]));
        assert!(!same_hash(&[], &[]), "nothing is no hash");
        for position in 0..hash.len() {
            let mut other = hash.clone();
            other[position] ^= 1;
            assert!(!same_hash(&hash, &other), "byte {position}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let key = keyring().make_key();
        let shown = format!("{:?} {:?} {:?}", keyring(), key, keyring().read_key(&key.text));
        assert!(shown.contains(&key.prefix));
        assert!(!shown.contains(&key.text[20..]), "{shown}");
        assert!(!shown.contains("hash") && !shown.contains("a secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_key_with_another_byte_is_another_key(position in 0..63_usize, byte in any::<u8>()) {
            let key = keyring().make_key();
            let mut changed = key.text.clone().into_bytes();
            prop_assume!(changed[position] != byte);
            changed[position] = byte;
            if let Some(presented) = std::str::from_utf8(&changed).ok().and_then(|text| keyring().read_key(text)) {
                prop_assert!(!same_hash(&presented.hash, &key.hash));
            }
        }

        #[test]
        fn reading_any_text_ends_without_a_key_or_with_one(text in ".{0,100}") {
            if let Some(presented) = keyring().read_key(&text) {
                let start = format!("aether_{}_", presented.prefix);
                prop_assert!(text.starts_with(&start));
            }
        }
    }
}
