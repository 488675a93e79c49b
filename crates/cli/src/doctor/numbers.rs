//! Numbers as servers write them, and as people read them. Pure.

use std::time::Duration;

/// `2.10.1` in any text that begins with it or holds it after a blank; compared part by part.
pub fn version(text: &str) -> Option<Vec<u64>> {
    let word =
        text.split_whitespace().find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = word.trim_start_matches('v');
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    digits[..end].split('.').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

/// `1.4 GB`, in powers of ten as disks and downloads are counted.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Seconds since 1970 of a time such as `2026-11-30T01:02:03.123Z`.
pub fn rfc3339(text: &str) -> Option<f64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_second() as f64 + f64::from(time.subsec_nanosecond()) / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, expected) in [
            ("2.15.1", Some(vec![2, 15, 1])),
            ("v1.13.5", Some(vec![1, 13, 5])),
            ("PostgreSQL 16.4 (Debian 16.4-1)", Some(vec![16, 4])),
            ("2.11.0-beta", Some(vec![2, 11, 0])),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2026-11-30T01:02:03.5Z", Some(1_796_000_523.5)),
            ("2026-11-30T01:02:03+01:00", Some(1_795_996_923.0)),
            ("yesterday", None),
        ] {
            assert_eq!(rfc3339(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_readable() {
        for (count, expected) in [(12, "12 bytes"), (4_794, "4 kB"), (77_704_715, "77 MB"), (24_000_000_000, "24.0 GB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }
}
