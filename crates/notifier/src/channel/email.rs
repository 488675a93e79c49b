//! A message to a mailbox, handed to the mail server of whoever runs this.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::time::timeout;
use url::Url;

use super::{Failure, Message, Urgency};

/// From the look-up of the server's name to its last word; some greet only after several seconds, to scare off others.
const TIMEOUT: Duration = Duration::from_secs(30);
/// In bytes: what RFC 5321 lets a path be, without its angle brackets.
const LONGEST_ADDRESS: usize = 254;
/// In characters.
const LONGEST_SUBJECT: usize = 200;
/// A date header has four digits for the year: the last second of 9999.
const LAST_DATE_MS: i64 = 253_402_300_799_000;

/// Why no mail can be sent with these settings, or to this address. It does not say what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("the mail server is not given as smtps://user:password@host, or smtp://host with ?tls=required or without")]
    Server,
    #[error("a user of the mail server without a password")]
    NoPassword,
    #[error("the password would be sent in clear text: use smtps:// or ?tls=required")]
    PasswordInTheClear,
    #[error("not an e-mail address")]
    Address,
}

/// A mailbox, such as `ada@example.org`: without a name, in ASCII (a domain beyond it in its `xn--` form).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(lettre::Address);

impl FromStr for Address {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let address: lettre::Address = text.parse().map_err(|_| EmailError::Address)?;
        if is_plain(&address) { Ok(Self(address)) } else { Err(EmailError::Address) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Nothing in it could end a line or an address, whatever a quoted one may hold.
fn is_plain(address: &lettre::Address) -> bool {
    let text: &str = address.as_ref();
    text.len() <= LONGEST_ADDRESS && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte))
}

/// Sends messages to mailboxes, each over a connection of its own.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Email {
    /// `server` is a URL: `smtps://user:password@host` (TLS, port 465), `smtp://user:password@host?tls=required` (STARTTLS,
    /// port 587) or `smtp://host` (neither, port 25); what in user and password is not a letter or a digit is
    /// percent-encoded, and a path is the name that this machine greets with. `from` is an address, with a name or
    /// without: `Aether <aether@example.org>`.
    ///
    /// # Errors
    /// [`EmailError`]. Whether the server is there is not looked at.
    pub fn new(server: &str, from: &str) -> Result<Self, EmailError> {
        let url = Url::parse(server).map_err(|_| EmailError::Server)?;
        match (url.username(), url.password()) {
            (_, Some(_)) if !is_private(&url) => return Err(EmailError::PasswordInTheClear),
            ("", None) | (_, Some(_)) => {}
            (_, None) => return Err(EmailError::NoPassword),
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server).map_err(|_| EmailError::Server)?.build();
        if from.chars().any(char::is_control) {
            return Err(EmailError::Address);
        }
        let from: Mailbox = from.parse().map_err(|_| EmailError::Address)?;
        if !is_plain(&from.email) {
            return Err(EmailError::Address);
        }
        Ok(Self { transport, from, timeout: TIMEOUT })
    }

    /// Hands one mail to the mail server.
    ///
    /// # Errors
    /// [`Failure::Permanent`] where the server refuses the mailbox or the mail; never for what is wrong with the settings.
    pub async fn send(&self, to: &Address, message: &Message) -> Result<(), Failure> {
        let mail = self.compose(to, message).map_err(|_| Failure::temporary("the mail could not be written"))?;
        match timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::temporary(format!("the mail server took longer than {:?}", self.timeout))),
        }
    }

    fn compose(&self, to: &Address, message: &Message) -> Result<lettre::Message, lettre::error::Error> {
        let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let created = message.created_unix_ms.clamp(0, LAST_DATE_MS).unsigned_abs();
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.0.clone()))
            .subject(subject(&message.title))
            .date(UNIX_EPOCH + Duration::from_millis(created))
            // The same when it is sent again, so that a mailbox which has it already can tell.
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            // No "I am out of office" comes back.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN);
        if message.urgency >= Urgency::High {
            mail = mail.raw_header(header("Importance", "high"));
        }
        let parts = [plain(&message.text), plain(&message.url)];
        let parts: Vec<_> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
        mail.body(parts.join("\n\n"))
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email(from {})", self.from)
    }
}

/// Whether nobody on the way can read along.
fn is_private(url: &Url) -> bool {
    let required = url.query_pairs().find(|(name, _)| name == "tls").is_some_and(|(_, value)| value == "required");
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "smtps" || required || is_here
}

/// One line.
fn subject(title: &str) -> String {
    let line: String = title.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    line.trim().chars().take(LONGEST_SUBJECT).collect()
}

/// Lines that end in one way only. A carriage return by itself ends a line for some mail servers and not for others, and a
/// full stop between two of them then ends the mail.
fn plain(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines.chars().filter(|character| matches!(character, '\n' | '\t') || !character.is_control()).collect()
}

/// What the server's last word means. What it said beside the number is not passed on: it likes to repeat addresses.
fn failure(error: &smtp::Error) -> Failure {
    let Some(code) = error.status() else {
        return Failure::temporary(match error {
            _ if error.is_timeout() => "the mail server did not answer in time",
            _ if error.is_tls() => "no encrypted connection to the mail server came about",
            // Of what the settings ask of it, such as TLS or a way to sign in.
            _ if error.is_client() => "the mail server lacks what it is asked for",
            _ if error.is_response() => "the mail server broke off, or speaks no SMTP",
            _ => "the mail server could not be reached, or broke off",
        });
    };
    match u16::from(code) {
        // Those of RFC 4954: about whoever runs this, not about the mailbox.
        530 | 534 | 535 | 538 => Failure::temporary(format!("the mail server does not let us in (answered {code})")),
        // A mailbox that is full today.
        552 => Failure::temporary(format!("the mailbox is full (the mail server answered {code})")),
        500.. => Failure::permanent(format!("the mail server refuses this mailbox or mail (answered {code})")),
        _ => Failure::temporary(format!("the mail server answered {code}")),
    }
}

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
