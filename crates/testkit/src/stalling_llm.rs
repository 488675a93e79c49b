use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the model that is none does with every request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Accepts the request and never answers.
    Silent,
    /// Streams these words, one delta each, and then says nothing more without ending.
    StallAfter(Vec<String>),
    /// Streams these words with a pause before each, and ends well.
    Slow(Vec<String>, Duration),
    /// Answers 200 with a stream of bytes that mean nothing.
    Rubbish,
    /// Streams "word " for ever.
    Endless,
    /// Answers this HTTP status with a short text.
    Status(u16),
    /// Hangs up in the middle of a delta.
    Cut,
}

/// An OpenAI-compatible endpoint that fails on purpose. Never a stand-in for a model in a test that claims one works.
#[derive(Debug)]
pub struct StallingLlm {
    /// What `LLM_ENDPOINT` would be.
    pub endpoint: String,
    requests: Arc<AtomicUsize>,
    abandoned: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl StallingLlm {
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let requests = Arc::new(AtomicUsize::new(0));
        let abandoned = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (requests, abandoned) = (requests.clone(), abandoned.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (behaviour, requests, abandoned) = (behaviour.clone(), requests.clone(), abandoned.clone());
                    tokio::spawn(async move {
                        if serve(stream, &behaviour, &requests).await.is_err() {
                            abandoned.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            }
        });
        Self { endpoint: format!("http://{address}"), requests, abandoned, task }
    }

    /// Requests received so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests whose caller hung up before the answer ended.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Relaxed)
    }
}

impl Drop for StallingLlm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection; an error means that the caller hung up first.
async fn serve(mut stream: TcpStream, behaviour: &Behaviour, requests: &AtomicUsize) -> std::io::Result<()> {
    if !read_request(&mut stream).await? {
        return Ok(());
    }
    requests.fetch_add(1, Ordering::Relaxed);
    match behaviour {
        Behaviour::Silent => hung_up(&mut stream).await,
        Behaviour::Status(code) => {
            let body = r#"{"error":{"message":"failing on purpose"}}"#;
            let length = body.len();
            let head =
                format!("HTTP/1.1 {code} No\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await
        }
        Behaviour::Rubbish => {
            head(&mut stream).await?;
            for line in
                ["\u{1}\u{2} not an event\n\n", "data: {\"choices\": 7}\n\n", "data: {{{\n\n", "event: ?\ndata: \n\n"]
            {
                chunk(&mut stream, line).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Behaviour::StallAfter(words) => {
            head(&mut stream).await?;
            for word in words {
                chunk(&mut stream, &delta(word)).await?;
            }
            hung_up(&mut stream).await
        }
        Behaviour::Slow(words, pause) => {
            head(&mut stream).await?;
            for word in words {
                tokio::time::sleep(*pause).await;
                chunk(&mut stream, &delta(word)).await?;
            }
            chunk(&mut stream, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n")
                .await?;
            chunk(&mut stream, "data: [DONE]\n\n").await?;
            stream.write_all(b"0\r\n\r\n").await
        }
        Behaviour::Endless => {
            head(&mut stream).await?;
            loop {
                chunk(&mut stream, &delta("word ")).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Behaviour::Cut => {
            head(&mut stream).await?;
            chunk(&mut stream, &delta("half ")).await?;
            stream.write_all(b"40\r\ndata: {\"choices\":[{\"del").await?;
            stream.shutdown().await
        }
    }
}

/// Reads one request with its body; false when the connection was closed without one.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(false);
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok(true);
            }
        }
    }
}

async fn head(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await
}

async fn chunk(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}

fn delta(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n")
}

/// Waits for the caller to give up.
async fn hung_up(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0_u8; 256];
    while stream.read(&mut buffer).await? > 0 {}
    Err(std::io::ErrorKind::ConnectionAborted.into())
}
