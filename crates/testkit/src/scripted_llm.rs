use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

/// One step of a scripted answer.
#[derive(Debug, Clone)]
pub enum Line {
    Text(String),
    /// A call as servers report one, its arguments in two pieces.
    Call {
        name: String,
        arguments: String,
    },
}

/// What is answered to one request, and how fast.
#[derive(Debug, Clone)]
pub struct Script {
    pub lines: Vec<Line>,
    /// From the request to the first line.
    pub first_after: Duration,
    /// Between two lines.
    pub pause: Duration,
}

impl Script {
    /// These words, one line each, without delay.
    pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let lines = words.into_iter().map(|word| Line::Text(word.to_owned())).collect();
        Self { lines, first_after: Duration::ZERO, pause: Duration::ZERO }
    }

    /// So many lines of one short word at an even pace: a load whose every delay is known.
    pub fn even(tokens: usize, first_after: Duration, pause: Duration) -> Self {
        let lines = (0..tokens).map(|_| Line::Text("word ".to_owned())).collect();
        Self { lines, first_after, pause }
    }

    /// Asks for a function as servers report it.
    pub fn call(name: &str, arguments: &str) -> Self {
        let line = Line::Call { name: name.to_owned(), arguments: arguments.to_owned() };
        Self { lines: vec![line], first_after: Duration::ZERO, pause: Duration::ZERO }
    }
}

/// A double of a language model's server that plays scripts, over OpenAI's protocol (`/v1/chat/completions`, streamed or not,
/// and `/v1/models`). It understands nothing: it is for tests of what is done with an answer, and for measuring what others
/// add to a delay that is known. Never a stand-in for a model in a test that claims one works.
#[derive(Debug)]
pub struct ScriptedLlm {
    /// What `LLM_ENDPOINT` would be.
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Play {
    /// One for each request, and the last one for all that follow.
    scripts: Arc<Mutex<VecDeque<Script>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl ScriptedLlm {
    /// The model that it says it has.
    pub const MODEL: &'static str = "scripted";

    /// The first request gets the first script; the last script is played for all further ones.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let scripts = Arc::new(Mutex::new(scripts.into_iter().collect()));
        let play = Play { scripts, requests: Arc::clone(&requests) };
        let task = tokio::spawn(async move {
            // Ends its connections when it ends itself.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let play = play.clone();
                connections.spawn(async move {
                    // A caller who hangs up has its reasons.
                    let _ = serve(stream, &play).await;
                });
            }
        });
        Self { endpoint: format!("http://{address}"), requests, task }
    }

    /// The bodies of all completions asked for so far.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ScriptedLlm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection, request after request.
async fn serve(mut stream: TcpStream, play: &Play) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some((target, body)) = read_request(&mut stream, &mut bytes).await? {
        let began = Instant::now();
        if target.ends_with("/chat/completions") {
            let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let script = next_script(play);
            let is_stream = body["stream"] == true;
            play.requests.lock().unwrap_or_else(PoisonError::into_inner).push(body);
            if is_stream {
                stream_script(&mut stream, &script, began).await?;
            } else {
                let pauses = u32::try_from(script.lines.len().saturating_sub(1)).unwrap_or(u32::MAX);
                tokio::time::sleep_until(began + script.first_after + script.pause * pauses).await;
                whole(&mut stream, "200 OK", &completion(&script)).await?;
            }
        } else if target.ends_with("/models") {
            let model = json!({ "id": ScriptedLlm::MODEL, "object": "model", "owned_by": "testkit" });
            whole(&mut stream, "200 OK", &json!({ "object": "list", "data": [model] })).await?;
        } else {
            whole(&mut stream, "404 Not Found", &json!({ "error": { "message": "not in the script" } })).await?;
        }
    }
    Ok(())
}

fn next_script(play: &Play) -> Script {
    let mut scripts = play.scripts.lock().unwrap_or_else(PoisonError::into_inner);
    let next = if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() };
    next.unwrap_or_else(|| Script::words([]))
}

fn usage(script: &Script) -> Value {
    let count = script.lines.len();
    json!({ "prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count })
}

fn finish_reason(script: &Script) -> &'static str {
    if script.lines.iter().any(|line| matches!(line, Line::Call { .. })) { "tool_calls" } else { "stop" }
}

async fn stream_script(stream: &mut TcpStream, script: &Script, began: Instant) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let mut at = began + script.first_after;
    let mut calls = 0;
    for line in &script.lines {
        // Against the clock, so that small delays don't add up.
        tokio::time::sleep_until(at).await;
        at += script.pause;
        match line {
            Line::Text(text) => event(stream, &json!({ "content": text }), None).await?,
            Line::Call { name, arguments } => {
                let middle = arguments.floor_char_boundary(arguments.len() / 2);
                let (first, second) = arguments.split_at(middle);
                let function = json!({ "name": name, "arguments": first });
                let call =
                    json!({ "index": calls, "id": format!("call_{calls}"), "type": "function", "function": function });
                event(stream, &json!({ "tool_calls": [call] }), None).await?;
                let call = json!({ "index": calls, "function": { "arguments": second } });
                event(stream, &json!({ "tool_calls": [call] }), None).await?;
                calls += 1;
            }
        }
    }
    event(stream, &json!({}), Some(finish_reason(script))).await?;
    let last = json!({ "model": ScriptedLlm::MODEL, "choices": [], "usage": usage(script) });
    chunk(stream, &format!("data: {last}\n\ndata: [DONE]\n\n")).await?;
    stream.write_all(b"0\r\n\r\n").await
}

/// The whole answer, as those get it who don't ask for a stream.
fn completion(script: &Script) -> Value {
    let mut text = String::new();
    let mut calls = Vec::new();
    for line in &script.lines {
        match line {
            Line::Text(part) => text.push_str(part),
            Line::Call { name, arguments } => {
                let function = json!({ "name": name, "arguments": arguments });
                calls.push(json!({ "id": format!("call_{}", calls.len()), "type": "function", "function": function }));
            }
        }
    }
    let mut message = json!({ "role": "assistant", "content": text });
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({
        "id": "scripted", "object": "chat.completion", "created": 0, "model": ScriptedLlm::MODEL,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason(script) }],
        "usage": usage(script),
    })
}

async fn event(stream: &mut TcpStream, delta: &Value, finish: Option<&str>) -> std::io::Result<()> {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    let event = json!({
        "id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": ScriptedLlm::MODEL,
        "choices": [choice],
    });
    chunk(stream, &format!("data: {event}\n\n")).await
}

async fn chunk(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

async fn whole(stream: &mut TcpStream, status: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

/// The target and body of the next request; `None` when the caller has hung up. `bytes` is what was read beyond it.
async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            let begin = end + END.len();
            if bytes.len() >= begin + length {
                let rest = bytes.split_off(begin + length);
                let body = std::mem::replace(bytes, rest).split_off(begin);
                let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
                return Ok(Some((target, body)));
            }
        }
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}
