//! One address for all that a LiveKit server offers: rooms, administration and workers differ in scheme and path only.

use url::Url;

/// The address with the scheme for what is to be done there, plain or encrypted as given, without a slash at its end. `None`
/// when it is not a ws, wss, http or https URL.
pub(crate) fn with_scheme(url: &str, plain: &str, encrypted: &str) -> Option<String> {
    let scheme = match Url::parse(url).ok()?.scheme() {
        "ws" | "http" => plain,
        "wss" | "https" => encrypted,
        _ => return None,
    };
    let (_, rest) = url.split_once("://")?;
    Some(format!("{scheme}://{}", rest.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_serves_for_everything() {
        let cases = [
            ("ws://127.0.0.1:7880", "http", Some("http://127.0.0.1:7880")),
            ("wss://example.org/livekit/", "http", Some("https://example.org/livekit")),
            ("http://127.0.0.1:7880/", "ws", Some("ws://127.0.0.1:7880")),
            ("127.0.0.1:7880", "ws", None),
            ("nats://127.0.0.1", "ws", None),
            ("", "ws", None),
        ];
        for (url, plain, expected) in cases {
            assert_eq!(with_scheme(url, plain, &format!("{plain}s")).as_deref(), expected, "{url}");
        }
    }
}
