//! The worker's socket: protobuf messages over a websocket, nothing else.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::token::{self, ApiKey};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    #[error("the LiveKit server refuses our key; check LIVEKIT_API_KEY and LIVEKIT_API_SECRET")]
    Unauthorized,
    #[error("the LiveKit server did not answer in {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error("the LiveKit server closed the socket")]
    Closed,
    #[error("the LiveKit server sent what is no message: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error("cannot talk to the LiveKit server: {0}")]
    Transport(Box<tungstenite::Error>),
    #[error(transparent)]
    Token(#[from] token::Error),
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) if response.status() == StatusCode::UNAUTHORIZED => Self::Unauthorized,
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Self::Closed,
            error => Self::Transport(Box::new(error)),
        }
    }
}

pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// `url` is the address of the worker endpoint, ending in `/agent`.
    pub(super) async fn connect(url: &str, key: &ApiKey) -> Result<Self, SocketError> {
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", token::worker(key)?);
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| SocketError::Unauthorized)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let connecting = tokio_tungstenite::connect_async(request);
        let (stream, _) =
            tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| SocketError::Timeout)??;
        Ok(Self { stream })
    }

    pub(super) async fn send(&mut self, message: proto::worker_message::Message) -> Result<(), SocketError> {
        let message = proto::WorkerMessage { message: Some(message) };
        self.stream.send(Message::Binary(message.encode_to_vec().into())).await?;
        Ok(())
    }

    /// Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<proto::server_message::Message, SocketError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    // A message of a kind that we don't know yet has no content for us.
                    if let Some(message) = proto::ServerMessage::decode(bytes)?.message {
                        return Ok(message);
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err(SocketError::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn close(mut self) {
        let _ = self.stream.close(None).await;
    }
}
