//! A language model that answers by the clock.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What a real model of this size would take on a fast machine; the figures don't depend on it.
pub const FIRST_TOKEN: Duration = Duration::from_millis(30);
pub const TOKEN: Duration = Duration::from_millis(10);
/// No question of the benchmark is longer.
const LONGEST_REQUEST: usize = 1 << 20;

/// What is answered, whatever is asked.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// So many tokens, each of which says when it left, so that the reader knows how long it was on its way.
    Stamps(usize),
    /// A word a token.
    Words(&'static str),
}

/// An OpenAI-compatible server that answers by the clock: what is measured is everything but the model.
#[derive(Debug)]
pub struct ScriptedModel {
    pub endpoint: String,
    task: JoinHandle<()>,
}

/// A token as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it left the model, since the epoch of both sides.
    pub left: Duration,
    /// The first one: how long the model took for it, from the whole request on.
    pub thought: Option<Duration>,
}

impl Stamp {
    fn word(self) -> String {
        let thought = self.thought.map(|thought| format!("+{}", thought.as_micros())).unwrap_or_default();
        format!("t{}{thought} ", self.left.as_micros())
    }

    pub fn read(word: &str) -> Option<Self> {
        let (left, thought) = match word.strip_prefix('t')?.split_once('+') {
            Some((left, thought)) => (left, Some(Duration::from_micros(thought.parse().ok()?))),
            None => (word.strip_prefix('t')?, None),
        };
        Some(Self { left: Duration::from_micros(left.parse().ok()?), thought })
    }
}

impl Answer {
    fn tokens(self) -> usize {
        match self {
            Self::Stamps(tokens) => tokens,
            Self::Words(words) => words.split_inclusive(' ').count(),
        }
    }

    /// The token with this number, which leaves after so long; the first one says how long it was thought about.
    fn token(self, index: usize, left: Duration, thought: Option<Duration>) -> String {
        match self {
            Self::Stamps(_) => Stamp { left, thought }.word(),
            Self::Words(words) => words.split_inclusive(' ').nth(index).unwrap_or_default().to_owned(),
        }
    }
}

impl ScriptedModel {
    pub async fn start(epoch: Instant, answer: Answer) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let endpoint = format!("http://{}/v1", listener.local_addr()?);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A caller that hung up has what it wanted.
                    let _ = serve(stream, epoch, answer).await;
                });
            }
        });
        Ok(Self { endpoint, task })
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, epoch: Instant, answer: Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some((head, body)) = request(&mut stream).await? else { return Ok(()) };
    let received = Instant::now();
    if !head.starts_with("POST") {
        let body = json!({ "object": "list", "data": [{ "id": "scripted", "object": "model" }] }).to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        return stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await;
    }
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        )
        .await?;
    // One token is wanted by whoever fills the prompt cache; there is none here.
    let tokens = if body["max_tokens"] == json!(1) { 0 } else { answer.tokens() };
    for index in 0..tokens {
        tokio::time::sleep(if index == 0 { FIRST_TOKEN } else { TOKEN }).await;
        let thought = (index == 0).then(|| received.elapsed());
        let token = answer.token(index, epoch.elapsed(), thought);
        event(&mut stream, &json!({ "index": 0, "delta": { "content": token }, "finish_reason": null }), &Value::Null)
            .await?;
    }
    event(&mut stream, &json!({ "index": 0, "delta": {}, "finish_reason": "stop" }), &Value::Null).await?;
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens });
    event(&mut stream, &Value::Null, &usage).await?;
    chunk(&mut stream, "data: [DONE]\n\n").await?;
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}

async fn event(stream: &mut TcpStream, choice: &Value, usage: &Value) -> io::Result<()> {
    let choices = if choice.is_null() { json!([]) } else { json!([choice]) };
    let event = json!({
        "id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": choices,
        "usage": usage,
    });
    chunk(stream, &format!("data: {event}\n\n")).await
}

async fn chunk(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

/// One request with its JSON body; nothing where the connection ends before.
async fn request(stream: &mut TcpStream) -> io::Result<Option<(String, Value)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null);
                return Ok(Some((head, body)));
            }
        }
        if bytes.len() > LONGEST_REQUEST || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_words_is_all_of_them() {
        let answer = Answer::Words("Yes, it is.");
        let said: Vec<_> = (0..answer.tokens()).map(|index| answer.token(index, Duration::ZERO, None)).collect();
        assert_eq!(said, ["Yes, ", "it ", "is."]);
    }

    #[test]
    fn a_stamp_survives_its_way() {
        for thought in [None, Some(Duration::from_micros(30_123))] {
            let stamp = Stamp { left: Duration::from_micros(1_234_567), thought };
            assert_eq!(Stamp::read(stamp.word().trim()), Some(stamp));
        }
        assert_eq!(Stamp::read("three"), None);
    }
}
