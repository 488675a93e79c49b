use std::io;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use url::Url;

/// How to tell that a part works: a real exchange in its own protocol, not merely an open port.
#[derive(Debug, Clone)]
pub enum Probe {
    /// JetStream answers a request.
    Nats(String),
    /// `PING` is answered, and the data set has been loaded.
    Redis(String),
    /// The server negotiates a log-in, so start-up and recovery are over.
    Postgres(String),
    /// A `GET` succeeds.
    Http(String),
}

impl Probe {
    /// One attempt, without a time limit of its own.
    pub async fn check(&self) -> Result<(), String> {
        match self {
            Self::Nats(url) => nats(&parse(url)?).await,
            Self::Redis(url) => redis(&parse(url)?).await,
            Self::Postgres(url) => postgres(&parse(url)?).await,
            Self::Http(url) => http(url).await,
        }
    }
}

fn parse(url: &str) -> Result<Url, String> {
    // The URL may hold a password: it is not repeated.
    Url::parse(url).map_err(|error| format!("its URL is malformed ({error})"))
}

async fn connect(url: &Url, default_port: u16) -> Result<TcpStream, String> {
    let host = url.host_str().unwrap_or("127.0.0.1");
    let port = url.port().unwrap_or(default_port);
    TcpStream::connect((host, port)).await.map_err(|error| format!("no connection to {host}:{port} ({})", error.kind()))
}

fn broken(error: &io::Error) -> String {
    format!("the connection broke ({})", error.kind())
}

async fn nats(url: &Url) -> Result<(), String> {
    let mut stream = BufReader::new(connect(url, 4222).await?);
    let mut options = serde_json::json!({ "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "lang": "probe", "version": "0" });
    if !url.username().is_empty() {
        options["user"] = url.username().into();
        options["pass"] = url.password().unwrap_or_default().into();
    }
    let hello = format!("CONNECT {options}\r\nSUB _INBOX.probe 1\r\nPUB $JS.API.INFO _INBOX.probe 0\r\n\r\n");
    stream.get_mut().write_all(hello.as_bytes()).await.map_err(|error| broken(&error))?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.map_err(|error| broken(&error))? == 0 {
            return Err("the server hung up".to_owned());
        }
        match line.split_whitespace().next() {
            // A message without responders carries a header and comes as HMSG.
            Some("MSG") => return Ok(()),
            Some("HMSG") => return Err("JetStream does not answer".to_owned()),
            Some("-ERR") => return Err(line.trim().trim_start_matches("-ERR").trim().to_owned()),
            _ => {}
        }
    }
}

async fn redis(url: &Url) -> Result<(), String> {
    let mut stream = BufReader::new(connect(url, 6379).await?);
    let mut hello = Vec::new();
    if let Some(password) = url.password() {
        let user = if url.username().is_empty() { "default" } else { url.username() };
        hello.extend(command(&["AUTH", user, password]));
    }
    hello.extend(command(&["PING"]));
    stream.get_mut().write_all(&hello).await.map_err(|error| broken(&error))?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.map_err(|error| broken(&error))? == 0 {
            return Err("the server hung up".to_owned());
        }
        match line.trim() {
            "+OK" => {}
            "+PONG" => return Ok(()),
            other => return Err(other.trim_start_matches('-').to_owned()),
        }
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

async fn postgres(url: &Url) -> Result<(), String> {
    let mut stream = connect(url, 5432).await?;
    let user = if url.username().is_empty() { "postgres" } else { url.username() };
    let database = url.path().trim_start_matches('/');
    let mut body = 196_608_u32.to_be_bytes().to_vec(); // protocol 3.0
    for word in ["user", user, "database", if database.is_empty() { user } else { database }, ""] {
        body.extend(word.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).map_err(|_| "its URL is too long".to_owned())?;
    stream.write_all(&length.to_be_bytes()).await.map_err(|error| broken(&error))?;
    stream.write_all(&body).await.map_err(|error| broken(&error))?;
    let mut answer = Vec::new();
    // An error ends the connection; an authentication request leaves it open, so read only what is there.
    let mut buffer = [0_u8; 1024];
    let read = stream.read(&mut buffer).await.map_err(|error| broken(&error))?;
    answer.extend_from_slice(&buffer[..read]);
    match answer.first() {
        Some(b'R') => Ok(()),
        Some(b'E') => {
            let text = String::from_utf8_lossy(&answer[5.min(answer.len())..]).into_owned();
            let message = text.split('\0').find_map(|field| field.strip_prefix('M')).unwrap_or("it refuses the log-in");
            Err(message.to_owned())
        }
        _ => Err("the server hung up".to_owned()),
    }
}

async fn http(url: &str) -> Result<(), String> {
    let parsed = parse(url)?;
    let mut stream = BufReader::new(connect(&parsed, parsed.port_or_known_default().unwrap_or(80)).await?);
    let host = parsed.host_str().unwrap_or("localhost");
    let path = &parsed[url::Position::BeforePath..url::Position::AfterQuery];
    let path = if path.is_empty() { "/" } else { path };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
    let mut status = String::new();
    stream.read_line(&mut status).await.map_err(|error| broken(&error))?;
    match status.split_whitespace().nth(1) {
        Some(code) if code.starts_with('2') => Ok(()),
        Some(code) => Err(format!("it answers HTTP {code}")),
        None => Err("it does not speak HTTP".to_owned()),
    }
}
