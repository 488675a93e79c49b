//! From a text to a value. Each function answers with the value or with what it expected, phrased to follow "expected ".

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

pub(crate) fn text(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) { Err("text on one line".to_owned()) } else { Ok(text.to_owned()) }
}

pub(crate) fn path(written: &str) -> Result<PathBuf, String> {
    text(written).map(PathBuf::from).map_err(|_| "a path".to_owned())
}

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port such as 127.0.0.1:7901".to_owned())
}

pub(crate) fn secret(text: &str, shortest: usize) -> Result<Secret, String> {
    if text.chars().count() < shortest || text.chars().any(char::is_control) {
        return Err(format!("at least {shortest} characters on one line"));
    }
    Ok(Secret::new(text))
}

pub(crate) fn integer(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

pub(crate) fn milliseconds(text: &str, range: RangeInclusive<u32>) -> Result<Duration, String> {
    integer(text, range)
        .map(|number| Duration::from_millis(number.into()))
        .map_err(|expected| format!("{expected} (milliseconds)"))
}

pub(crate) fn decimal(text: &str, range: RangeInclusive<f32>) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

/// On or off.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    one_of(text, &[("on", true), ("off", false)])
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(integer("5", 1..=9), Ok(5));
        for text in ["", "0", "10", "-1", "5.0", "five", "99999999999999999999", " 5"] {
            assert_eq!(integer(text, 1..=9), Err("a whole number from 1 to 9".to_owned()), "{text:?}");
        }
        assert_eq!(milliseconds("500", 0..=1000), Ok(Duration::from_millis(500)));
        for text in ["", "NaN", "inf", "2.1", "-0.1", "warm"] {
            assert_eq!(decimal(text, 0.0..=2.0), Err("a number from 0 to 2".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        assert!(address("127.0.0.1:7901").is_ok() && address("[::1]:0").is_ok());
        for text in ["", "7901", "localhost:7901", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_word_is_one_of_those_listed() {
        let words = [("text", 1), ("json", 2)];
        assert_eq!(one_of("json", &words), Ok(2));
        assert_eq!(one_of("JSON", &words), Err("`text` or `json`".to_owned()));
    }
}
