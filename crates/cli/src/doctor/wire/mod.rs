//! Just enough of each server's protocol to ask how it is, by hand: one connection, one question after another, no pool, no
//! retry. What a service needs of these servers goes through `bus`, `store` and `livekit`; here a person wants to know why it
//! does not.

pub mod nats;
pub mod postgres;
pub mod redis;
pub mod scram;
pub mod signal;
pub mod stun;

use std::io;

use tokio::net::TcpStream;
use url::Url;

/// Nobody sends us more than this in one piece.
const MOST_BYTES: usize = 4 << 20;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing answers at {host}:{port} ({reason})")]
    Unreachable { host: String, port: u16, reason: String },
    #[error("the connection broke ({0})")]
    Broken(String),
    #[error("the server hung up")]
    HungUp,
    #[error("it does not speak {0}")]
    OtherProtocol(&'static str),
    /// It understood, and said no.
    #[error("{0}")]
    Refused(String),
    /// It works, but in a way that is not looked into here.
    #[error("{0}")]
    NotLookedInto(&'static str),
}

impl Error {
    /// Nothing listens there, or nothing that can be reached.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::HungUp,
            kind => Self::Broken(kind.to_string()),
        }
    }
}

/// The place that a URL names. The URL itself may hold a password and is not repeated.
pub fn place(url: &str, default_port: u16) -> (String, u16) {
    let parsed = Url::parse(url).ok();
    let host =
        parsed.as_ref().and_then(|url| url.host_str()).unwrap_or("127.0.0.1").trim_matches(['[', ']']).to_owned();
    (host, parsed.and_then(|url| url.port()).unwrap_or(default_port))
}

async fn connect(url: &str, default_port: u16) -> Result<TcpStream, Error> {
    let (host, port) = place(url, default_port);
    match TcpStream::connect((host.as_str(), port)).await {
        Ok(stream) => {
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Err(error) => Err(Error::Unreachable { host, port, reason: error.kind().to_string() }),
    }
}

/// User and password out of a URL, as they are meant.
fn credentials(url: &str) -> (String, Option<String>) {
    let Ok(url) = Url::parse(url) else { return (String::new(), None) };
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    (plain(url.username()), url.password().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_from_any_url() {
        for (url, expected) in [
            ("nats://bus.example:4333", ("bus.example", 4333)),
            ("nats://user:pass@bus.example", ("bus.example", 1)),
            ("redis://[::1]:7", ("::1", 7)),
            ("rubbish", ("127.0.0.1", 1)),
        ] {
            let (host, port) = place(url, 1);
            assert_eq!((host.as_str(), port), expected, "{url}");
        }
    }

    #[test]
    fn credentials_are_read_as_they_are_meant() {
        assert_eq!(credentials("postgres://ada:p%40ss@db/x"), ("ada".to_owned(), Some("p@ss".to_owned())));
        assert_eq!(credentials("redis://db"), (String::new(), None));
    }
}
