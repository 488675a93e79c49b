//! The URL of a server, whose password must not be shown.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

use crate::secret::HIDDEN;

/// Where a server is. `Debug`, `Display` and `Serialize` hide the password and the query; [`ServerUrl::expose`] gives all.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// As it was written: some clients' URLs don't survive being parsed and printed.
    text: String,
    url: Url,
}

impl ServerUrl {
    /// The URL in `text` if it has a host and one of `schemes`, otherwise what was expected. The first scheme is the one to
    /// suggest.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let expected = || format!("a URL that starts with {}", listed(schemes));
        let Ok(url) = Url::parse(text) else {
            return Err(expected());
        };
        let suitable = schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty());
        if !suitable || text.chars().any(char::is_control) {
            return Err(expected());
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// The whole URL, password included, for the client that connects with it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port that is written, or the scheme's own where there is one.
    pub fn port(&self) -> Option<u16> {
        self.url.port_or_known_default()
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&redact(&self.text))
    }
}

/// `text` without what may be a secret, whether or not it is a URL: the user stays, what follows it up to the last `@` goes,
/// and so do query and fragment. A password may itself hold `@`, `/` or `?`, so this looks at the text, not at parsed parts.
pub(crate) fn redact(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| is_plain(scheme)).unwrap_or(("", text));
    let separator = if scheme.is_empty() && !text.starts_with("://") { "" } else { "://" };
    let (user, rest) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((credentials, rest)) => match credentials.split_once(':') {
            Some((user, _password)) if is_plain(user) => (format!("{user}:{HIDDEN}@"), rest),
            None if is_plain(credentials) => (format!("{credentials}@"), rest),
            _ => (format!("{HIDDEN}@"), rest),
        },
    };
    let (place, hidden) = match rest.find(['?', '#', '&', ';']) {
        None => (rest, String::new()),
        Some(at) => (&rest[..at], format!("{}{HIDDEN}", &rest[at..=at])),
    };
    format!("{scheme}{separator}{user}{place}{hidden}")
}

/// A scheme or a user name, and nothing that could be the tail of something else.
fn is_plain(user: &str) -> bool {
    user.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}

fn listed(schemes: &[&str]) -> String {
    schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (text, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("postgres://aether@db/aether", "postgres://aether@db/aether"),
            ("postgres://aether:hunter2@db/aether", "postgres://aether:***@db/aether"),
            ("redis://:hunter2@db", "redis://:***@db"),
            ("nats://hun/ter?2@db", "nats://***@db"),
            ("postgres://u:hun@ter2@db/x?password=hunter2", "postgres://u:***@db/x?***"),
            ("u:hunter2@db", "u:***@db"),
            ("://u:hunter2@db#hunter2", "://u:***@db#***"),
            ("a://b://u:hunter2@db", "a://b:***@db"),
            ("//u:hunter2://@db", "***@db"),
            ("localhost:4222", "localhost:4222"),
            ("", ""),
        ] {
            assert_eq!(redact(text), shown, "{text}");
        }
    }

    #[test]
    fn a_url_needs_a_known_scheme_and_a_host() {
        for text in ["", "localhost:4222", "nats://", "nats:4222", "http://host", "nats://ho st", "nats://host\n"] {
            let expected = ServerUrl::parse(text, &["nats", "tls"]).unwrap_err();
            assert_eq!(expected, "a URL that starts with nats:// or tls://", "{text:?}");
        }
        let url = ServerUrl::parse("nats://u:p@host:4222", &["nats"]).unwrap();
        assert_eq!((url.scheme(), url.host(), url.port()), ("nats", "host", Some(4222)));
        assert_eq!(url.expose(), "nats://u:p@host:4222");
        assert_eq!(format!("{url} {url:?}"), "nats://u:***@host:4222 nats://u:***@host:4222");
    }
}
