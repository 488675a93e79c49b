//! A program that uses Aether over HTTP and listens on its socket.

use std::time::Duration;

use aether_proto::{ClientEvent, client_event};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::house::PATIENCE;

/// Whoever holds this key or page token.
pub struct Caller {
    url: String,
    token: String,
    client: reqwest::Client,
}

/// What the gateway answered; a body that is no JSON is `null`.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub conversation: Option<String>,
    pub json: Value,
}

impl Caller {
    pub fn new(url: &str, token: &str) -> Self {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { url: url.to_owned(), token: token.to_owned(), client }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.client.get(self.at(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.client.post(self.at(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.client.delete(self.at(path))).await
    }

    /// One question over the OpenAI interface, as one message without a past.
    pub async fn chat(&self, words: &str) -> Reply {
        self.chat_in(words, &[]).await
    }

    /// The same, with headers: `X-Conversation-Id`, `X-Off-The-Record`.
    pub async fn chat_in(&self, words: &str, headers: &[(&str, &str)]) -> Reply {
        let body = json!({
            "model": "aether", "temperature": 0, "max_tokens": 64,
            "messages": [{ "role": "user", "content": words }],
        });
        let mut request = self.client.post(self.at("/v1/chat/completions")).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// Asks the agent in a room for something; the room is named as people name it.
    pub async fn control(&self, room: &str, action: Value) -> Reply {
        self.post(&format!("/v1/rooms/{}/control", percent(room)), action).await
    }

    /// Opens the socket on which everything that concerns this caller is told.
    pub async fn listen(&self) -> Sidecar {
        let url = format!("{}/ws", self.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        let protocols = format!("aether.events, aether.token.{}", self.token);
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        let (socket, reply) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(reply.headers()["sec-websocket-protocol"], "aether.events", "the token is not said back");
        let (sender, events) = mpsc::channel(4096);
        let reader = tokio::spawn(read(socket, sender));
        Sidecar { events, reader, seen: Vec::new() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        let status = reply.status().as_u16();
        let header = reply.headers().get("x-conversation-id");
        let conversation = header.map(|value| value.to_str().unwrap().to_owned());
        Reply { status, conversation, json: reply.json().await.unwrap_or(Value::Null) }
    }
}

impl Reply {
    /// What the assistant said.
    pub fn answer(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }
}

/// The socket, and what came on it.
pub struct Sidecar {
    events: mpsc::Receiver<ClientEvent>,
    reader: JoinHandle<()>,
    /// What was read so far.
    pub seen: Vec<ClientEvent>,
}

impl Sidecar {
    /// Reads on until an event fits; it is then the last of those in `seen`.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&client_event::Event) -> bool) {
        let found = timeout(PATIENCE, async { while !self.next().await.event.as_ref().is_some_and(&fits) {} }).await;
        assert!(found.is_ok(), "never told: {what}; only {}", self.kinds().join(", "));
    }

    /// Reads on until a turn has ended, and says how.
    pub async fn until_end(&mut self, turn_id: &str) -> String {
        loop {
            self.until("the end of a turn", |event| matches!(event, client_event::Event::StreamEnd(_))).await;
            if let Some(ClientEvent { turn_id: ended, event: Some(client_event::Event::StreamEnd(end)), .. }) =
                self.seen.last()
                && ended == turn_id
            {
                return end.reason.clone();
            }
        }
    }

    /// Reads on until nothing has come for this long.
    pub async fn until_quiet(&mut self, quiet: Duration) {
        while timeout(quiet, self.next()).await.is_ok() {}
    }

    async fn next(&mut self) -> ClientEvent {
        let event = self.events.recv().await;
        assert!(event.is_some(), "the gateway hung up after {}", self.kinds().join(", "));
        let event = event.unwrap();
        self.seen.push(event.clone());
        event
    }

    /// The names of what came, without the words in it.
    pub fn kinds(&self) -> Vec<String> {
        let name = |event: &client_event::Event| format!("{event:?}").split('(').next().unwrap_or_default().to_owned();
        self.seen.iter().filter_map(|event| event.event.as_ref().map(name)).collect()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Takes events from the socket, whether or not the test looks at them right now.
async fn read(mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>, events: mpsc::Sender<ClientEvent>) {
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                // What can't be read ends the stream, which the test notices.
                let Ok(event) = serde_json::from_str(&text) else { return };
                if events.send(event).await.is_err() {
                    return;
                }
            }
            // Answered by reading on.
            Message::Ping(_) => {}
            _ => return,
        }
    }
}

/// A room's name as one step of a path.
fn percent(name: &str) -> String {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
