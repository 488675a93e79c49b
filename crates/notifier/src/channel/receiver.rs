//! The other side of a POST: a real HTTP server that keeps what it gets and answers as it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream;
use tokio::net::TcpListener;

pub(super) enum Answer {
    Status(u16),
    /// With one header.
    With(u16, &'static str, &'static str),
    /// 200, and a body that never ends.
    Endless,
    /// The request is read, and nothing is said.
    Silence,
}

#[derive(Clone)]
pub(super) struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Answer,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answer, received: Mutex::default() });
        let app = Router::new().fallback(receive).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// Where nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let received = Received { path: parts.uri.path().to_owned(), headers: parts.headers, body };
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    let response = Response::builder();
    match shared.answer {
        Answer::Status(status) => response.status(status).body(Body::empty()).unwrap(),
        Answer::With(status, name, value) => response.status(status).header(name, value).body(Body::empty()).unwrap(),
        Answer::Endless => {
            let chunk = Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]));
            response.body(Body::from_stream(stream::repeat(chunk))).unwrap()
        }
        Answer::Silence => std::future::pending().await,
    }
}
