//! Postgres's protocol 3: a log-in, and questions whose answers are rows of text.

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::{Error, MOST_BYTES, connect, credentials, scram};

/// Of the log-ins that a server may ask for.
const AUTHENTICATED: u32 = 0;
const CLEARTEXT_PASSWORD: u32 = 3;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

/// One column after another; SQL's null is an empty text.
pub type Row = Vec<String>;

impl Client {
    pub async fn connect(url: &str) -> Result<Self, Error> {
        if ["require", "verify-ca", "verify-full"].iter().any(|mode| url.contains(&format!("sslmode={mode}"))) {
            return Err(Error::NotLookedInto("it asks for TLS, and is looked into only without"));
        }
        let (user, password) = credentials(url);
        let database = Url::parse(url).map(|url| url.path().trim_start_matches('/').to_owned()).unwrap_or_default();
        let mut client = Self { stream: connect(url, 5432).await? };
        let user = if user.is_empty() { "postgres".to_owned() } else { user };
        let database = if database.is_empty() { user.clone() } else { database };
        let mut body = 196_608_u32.to_be_bytes().to_vec(); // protocol 3.0
        for word in ["user", &user, "database", &database, "application_name", "aether-doctor", ""] {
            body.extend(word.as_bytes());
            body.push(0);
        }
        client.send(None, &body).await?;
        client.log_in(password.as_deref().unwrap_or_default()).await?;
        Ok(client)
    }

    /// The rows that a statement returns.
    pub async fn ask(&mut self, statement: &str) -> Result<Vec<Row>, Error> {
        self.send(Some(b'Q'), format!("{statement}\0").as_bytes()).await?;
        let (mut rows, mut refused) = (Vec::new(), None);
        loop {
            match self.receive().await? {
                (b'D', body) => rows.push(columns(&body).ok_or(Error::OtherProtocol("Postgres's protocol"))?),
                (b'E', body) => refused = Some(Error::Refused(complaint(&body))),
                (b'Z', _) => return refused.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    async fn log_in(&mut self, password: &str) -> Result<(), Error> {
        let mut nonce = [0; 18];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Error::Broken("no random numbers".to_owned()))?;
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let first = format!("n=,r={nonce}");
        let mut expected = None;
        loop {
            let (kind, body) = self.receive().await?;
            let (code, rest) = match kind {
                b'R' => body.split_at_checked(4).ok_or(Error::OtherProtocol("Postgres's protocol"))?,
                b'E' => return Err(Error::Refused(complaint(&body))),
                b'Z' => return Ok(()),
                _ => continue,
            };
            let text = || String::from_utf8_lossy(rest).into_owned();
            match code.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX) {
                AUTHENTICATED => {}
                CLEARTEXT_PASSWORD => self.send(Some(b'p'), format!("{password}\0").as_bytes()).await?,
                SASL if text().split('\0').any(|name| name == "SCRAM-SHA-256") => {
                    let message = format!("n,,{first}");
                    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
                    let body = [b"SCRAM-SHA-256\0".as_slice(), &length, message.as_bytes()].concat();
                    self.send(Some(b'p'), &body).await?;
                }
                SASL_CONTINUE => {
                    let proof = scram::prove(password, &first, &text());
                    let proof = proof.ok_or(Error::OtherProtocol("SCRAM as it is defined"))?;
                    self.send(Some(b'p'), proof.message.as_bytes()).await?;
                    expected = Some(proof.expected);
                }
                SASL_FINAL if expected.as_deref() != Some(text().as_str()) => {
                    return Err(Error::Refused("it does not know the password itself: another server?".to_owned()));
                }
                SASL_FINAL => {}
                _ => return Err(Error::NotLookedInto("it asks for a log-in that is not looked into: not SCRAM")),
            }
        }
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(body.len() + 4).map_err(|_| Error::Broken("too long a question".to_owned()))?;
        let message: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect();
        Ok(self.stream.write_all(&message).await?)
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let kind = self.stream.read_u8().await?;
        let length = self.stream.read_u32().await? as usize;
        if !(4..=MOST_BYTES).contains(&length) {
            return Err(Error::OtherProtocol("Postgres's protocol"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

/// The columns of a row as it travels: how many, and each with its length.
fn columns(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            row.push(String::new());
            rest = after;
            continue;
        };
        let (text, after) = after.split_at_checked(length)?;
        row.push(String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    Some(row)
}

/// The sentence in an error's fields.
fn complaint(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.split('\0').find_map(|field| field.strip_prefix('M')).unwrap_or("it says no").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_apart_and_halves_of_rows_refused() {
        let row = [0, 2, 0, 0, 0, 2, b'o', b'k', 0xff, 0xff, 0xff, 0xff];
        assert_eq!(columns(&row), Some(vec!["ok".to_owned(), String::new()]));
        for length in 0..row.len() {
            assert_eq!(columns(&row[..length]), None, "{length}");
        }
    }

    #[test]
    fn an_error_is_its_sentence() {
        assert_eq!(complaint(b"SFATAL\0C28P01\0Mno such role\0\0"), "no such role");
        assert_eq!(complaint(b""), "it says no");
    }
}
