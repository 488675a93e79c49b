use proptest::prelude::*;

use super::*;

/// Of the reference libraries of Standard Webhooks.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP: u64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn secret() -> Secret {
    SECRET.parse().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn check(id: &str, timestamp: &str, signatures: &str, now: u64) -> Result<(), Refused> {
    verify(&secret(), id, timestamp, signatures, BODY, at(now), TOLERANCE)
}

#[test]
fn the_known_signature_is_made_and_believed() {
    assert_eq!(sign(&secret(), ID, TIMESTAMP, BODY), SIGNATURE);
    assert_eq!(check(ID, &TIMESTAMP.to_string(), SIGNATURE, TIMESTAMP), Ok(()));
}

#[test]
fn five_minutes_are_forgiven_either_way() {
    let timestamp = TIMESTAMP.to_string();
    for (now, expected) in [
        (TIMESTAMP - 300, Ok(())),
        (TIMESTAMP + 300, Ok(())),
        (TIMESTAMP - 301, Err(Refused::FromTheFuture)),
        (TIMESTAMP + 301, Err(Refused::TooOld)),
        (0, Err(Refused::FromTheFuture)),
    ] {
        assert_eq!(check(ID, &timestamp, SIGNATURE, now), expected, "{now}");
    }
    assert_eq!(check(ID, &u64::MAX.to_string(), SIGNATURE, TIMESTAMP), Err(Refused::FromTheFuture));
    assert_eq!(check(ID, "0", SIGNATURE, TIMESTAMP), Err(Refused::TooOld));
}

#[test]
fn one_of_several_signatures_is_enough_and_unknown_versions_are_passed_over() {
    let timestamp = TIMESTAMP.to_string();
    let other = format!("v1,{}", STANDARD.encode([7; 32]));
    for (signatures, expected) in [
        (format!("{other} {SIGNATURE}"), Ok(())),
        (format!("v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw {SIGNATURE}  {other}"), Ok(())),
        (other, Err(Refused::Mismatch)),
        (SIGNATURE.replacen("v1,", "v2,", 1), Err(Refused::NotSigned)),
        (SIGNATURE.replacen("v1,", "", 1), Err(Refused::NotSigned)),
        ("v1,".to_owned(), Err(Refused::Mismatch)),
        ("v1,AAAA".to_owned(), Err(Refused::Mismatch)),
        (SIGNATURE.replace('=', ""), Err(Refused::Mismatch)),
        (String::new(), Err(Refused::NotSigned)),
    ] {
        assert_eq!(check(ID, &timestamp, &signatures, TIMESTAMP), expected, "{signatures}");
    }
}

#[test]
fn what_separates_the_signed_parts_stands_in_none_of_them() {
    // Signed as `a.<time>.1.{}`: with a full stop let through, it would also be the id `a.<time>`, the time `1`, the body `{}`.
    for id in ["", "a.1", "."] {
        assert_eq!(check(id, &TIMESTAMP.to_string(), SIGNATURE, TIMESTAMP), Err(Refused::Id), "{id}");
    }
    for timestamp in ["", "1.5", "-1", "+1614265330", " 1614265330", "now", "99999999999999999999999"] {
        assert_eq!(check(ID, timestamp, SIGNATURE, TIMESTAMP), Err(Refused::Timestamp), "{timestamp}");
    }
}

#[test]
fn a_secret_has_one_text_form_and_does_not_show_itself() {
    assert_eq!(secret().reveal(), SECRET);
    let made = Secret::new(rand::random());
    assert_eq!(made.reveal().parse::<Secret>().unwrap().reveal(), made.reveal());
    assert_ne!(made.reveal(), Secret::new(rand::random()).reveal());
    assert_eq!(format!("{made:?}"), "Secret(..)");
    for (text, error) in [
        ("", SecretError::Prefix),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
        ("whsec_!", SecretError::Base64),
        ("whsec_", SecretError::Length),
        ("whsec_c2hvcnQ=", SecretError::Length),
    ] {
        assert_eq!(text.parse::<Secret>().unwrap_err(), error, "{text}");
    }
    let long = format!("whsec_{}", STANDARD.encode([1; 65]));
    assert_eq!(long.parse::<Secret>().unwrap_err(), SecretError::Length);
}

#[test]
fn githubs_example_is_believed() {
    // From "Validating webhook deliveries" in GitHub's documentation.
    let secret = "It's a Secret to Everybody";
    let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let header = format!("sha256={digits}");
    assert_eq!(verify_github(secret, &header, b"Hello, World!"), Ok(()));
    for (secret, header, body, refused) in [
        (secret, header.as_str(), "Hello, World", Refused::Mismatch),
        ("another", &header, "Hello, World!", Refused::Mismatch),
        ("", &header, "Hello, World!", Refused::NoSecret),
        (secret, digits, "Hello, World!", Refused::NotSigned),
        (secret, "", "Hello, World!", Refused::NotSigned),
        (secret, "sha1=757107ea", "Hello, World!", Refused::NotSigned),
        (secret, "sha256=", "Hello, World!", Refused::Mismatch),
        (secret, &header[..70], "Hello, World!", Refused::Mismatch),
        (secret, &header[..69], "Hello, World!", Refused::Mismatch),
        (secret, &header.to_uppercase().replace("SHA", "sha"), "Hello, World!", Refused::Mismatch),
    ] {
        assert_eq!(verify_github(secret, header, body.as_bytes()), Err(refused), "{header}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_believed_and_no_byte_of_it_can_change(
        id in "[a-zA-Z0-9_-]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
        timestamp in 1_000_000_u64..10_000_000_000,
        at_byte in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let secret = Secret::new(rand::random());
        let signature = sign(&secret, &id, timestamp, &body);
        let believed = |id: &str, timestamp: &str, signature: &str, body: &[u8]| {
            // However long ago: this is about the signature alone.
            verify(&secret, id, timestamp, signature, body, at(0), Duration::MAX)
        };
        let time = timestamp.to_string();
        prop_assert_eq!(believed(&id, &time, &signature, &body), Ok(()));

        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let index = at_byte.index(bytes.len());
            bytes[index] ^= flip;
            bytes
        };
        if !body.is_empty() {
            prop_assert_eq!(believed(&id, &time, &signature, &changed(&body)), Err(Refused::Mismatch));
        }
        if let Ok(other) = String::from_utf8(changed(id.as_bytes())) {
            prop_assert!(believed(&other, &time, &signature, &body).is_err());
        }
        if let Ok(other) = String::from_utf8(changed(time.as_bytes())) {
            prop_assert!(believed(&id, &other, &signature, &body).is_err());
        }
        if let Ok(other) = String::from_utf8(changed(signature.as_bytes())) {
            prop_assert!(believed(&id, &time, &other, &body).is_err());
        }
        prop_assert_eq!(
            verify(&Secret::new(rand::random()), &id, &time, &signature, &body, at(0), Duration::MAX),
            Err(Refused::Mismatch)
        );

        let tag = super::mac(id.as_bytes()).chain_update(&body).finalize().into_bytes();
        let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = format!("sha256={digits}");
        prop_assert_eq!(verify_github(&id, &header, &body), Ok(()));
        if let Ok(other) = String::from_utf8(changed(header.as_bytes())) {
            prop_assert!(verify_github(&id, &other, &body).is_err());
        }
    }

    #[test]
    fn no_header_makes_it_panic(id in ".{0,20}", timestamp in "[0-9]{0,22}|.{0,20}", signatures in "(v1,)?.{0,60}") {
        let _ = check(&id, &timestamp, &signatures, TIMESTAMP);
        prop_assert!(verify_github("secret", &signatures, BODY).is_err());
        let _ = signatures.parse::<Secret>();
        let _ = format!("whsec_{signatures}").parse::<Secret>();
    }
}
