//! NATS's line protocol.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Error, MOST_BYTES, connect, credentials};

const INBOX: &str = "_INBOX.doctor";

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    /// What the server said about itself.
    pub info: Value,
    questions: u32,
}

impl Client {
    /// The first server of `url`, with the user of the settings or of the URL.
    pub async fn connect(url: &str, user: Option<&str>, password: Option<&str>) -> Result<Self, Error> {
        let url = url.split(',').next().unwrap_or(url).trim();
        let mut stream = BufReader::new(connect(url, 4222).await?);
        let line = read_line(&mut stream).await?;
        let info = line.strip_prefix("INFO ").and_then(|json| serde_json::from_str::<Value>(json).ok());
        let info = info.ok_or(Error::OtherProtocol("NATS"))?;
        if url.starts_with("tls:") || info["tls_required"] == true {
            return Err(Error::NotLookedInto("it asks for TLS, and is looked into only without"));
        }
        let mut client = Self { stream, info, questions: 0 };
        let (of_url, password_of_url) = credentials(url);
        let mut options = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "echo": true,
            "lang": "aether", "version": env!("CARGO_PKG_VERSION"), "name": "aether-doctor", "protocol": 1,
        });
        match (user, password) {
            (Some(user), Some(password)) => (options["user"], options["pass"]) = (json!(user), json!(password)),
            _ => match password_of_url {
                Some(password) => (options["user"], options["pass"]) = (json!(of_url), json!(password)),
                None if !of_url.is_empty() => options["auth_token"] = json!(of_url),
                None => {}
            },
        }
        client.send(&format!("CONNECT {options}\r\nPING\r\n")).await?;
        loop {
            let line = read_line(&mut client.stream).await?;
            match line.split_whitespace().next() {
                Some("PONG") => return Ok(client),
                Some("-ERR") => return Err(Error::Refused(complaint(&line))),
                _ => {}
            }
        }
    }

    /// One question. What nobody answers is an error, and so is what may not be asked.
    pub async fn ask(&mut self, subject: &str, payload: &Value) -> Result<Value, Error> {
        self.questions += 1;
        let number = self.questions;
        let payload = if payload.is_null() { String::new() } else { payload.to_string() };
        self.send(&format!(
            "SUB {INBOX}.{number} {number}\r\nUNSUB {number} 1\r\nPUB {subject} {INBOX}.{number} {}\r\n{payload}\r\n",
            payload.len()
        ))
        .await?;
        loop {
            let line = read_line(&mut self.stream).await?;
            let words: Vec<_> = line.split_whitespace().collect();
            match words.first().copied() {
                Some("MSG") => {
                    let body = self.body(words.last()).await?;
                    return serde_json::from_slice(&body).map_err(|_| Error::OtherProtocol("JSON on this subject"));
                }
                Some("HMSG") => {
                    let headers = words.get(words.len().saturating_sub(2)).and_then(|length| length.parse().ok());
                    let body = self.body(words.last()).await?;
                    let text = String::from_utf8_lossy(&body);
                    if text.starts_with("NATS/1.0 503") {
                        return Err(Error::Refused("nobody answers there".to_owned()));
                    }
                    let body = headers.and_then(|headers: usize| body.get(headers..)).unwrap_or_default();
                    return serde_json::from_slice(body).map_err(|_| Error::OtherProtocol("JSON on this subject"));
                }
                Some("PING") => self.send("PONG\r\n").await?,
                Some("-ERR") => return Err(Error::Refused(complaint(&line))),
                _ => {}
            }
        }
    }

    async fn body(&mut self, length: Option<&&str>) -> Result<Vec<u8>, Error> {
        let length: usize = length
            .and_then(|length| length.parse().ok())
            .filter(|length| *length <= MOST_BYTES)
            .ok_or(Error::HungUp)?;
        let mut body = vec![0; length + 2];
        self.stream.read_exact(&mut body).await?;
        body.truncate(length);
        Ok(body)
    }

    async fn send(&mut self, text: &str) -> Result<(), Error> {
        Ok(self.stream.get_mut().write_all(text.as_bytes()).await?)
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Result<String, Error> {
    let mut line = Vec::new();
    let read = (&mut *stream).take(MOST_BYTES as u64).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Err(Error::HungUp);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn complaint(line: &str) -> String {
    line.trim_start_matches("-ERR").trim().trim_matches('\'').to_owned()
}
