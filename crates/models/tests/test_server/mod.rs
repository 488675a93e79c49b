//! An HTTP server that misbehaves on purpose: each path has its content and its fault.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        StatusCode,
        header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE},
    },
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};

#[derive(Clone, Copy)]
pub enum Fault {
    None,
    /// Always this status.
    Status(u16),
    /// This status for the first so many requests.
    StatusAtFirst(u16, usize),
    /// Breaks the connection after so many bytes of each response.
    CutsEach(usize),
    /// Sends so many bytes of the first response, then nothing.
    StallsAtFirst(usize),
    IgnoresRanges,
    /// JSON for whoever accepts it, HTML for others; without this the content goes out as it is.
    HtmlOnly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    /// First byte asked for.
    pub from: Option<usize>,
    pub accept: String,
}

pub struct TestServer {
    pub address: String,
    state: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    contents: HashMap<String, (Bytes, Fault)>,
    seen: Vec<Seen>,
}

impl TestServer {
    pub async fn start() -> Self {
        let state = Arc::<Mutex<Inner>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, state }
    }

    pub fn serve(&self, path: &str, content: impl Into<Bytes>, fault: Fault) -> String {
        self.state.lock().unwrap().contents.insert(path.to_owned(), (content.into(), fault));
        format!("{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// First byte asked for, of every request to this path.
    pub fn ranges(&self, path: &str) -> Vec<Option<usize>> {
        self.seen().into_iter().filter(|seen| seen.path == path).map(|seen| seen.from).collect()
    }
}

async fn answer(State(state): State<Arc<Mutex<Inner>>>, request: Request) -> Response {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = request.uri().path().to_owned();
    let from = header(RANGE).strip_prefix("bytes=").and_then(|range| range.split('-').next()?.parse().ok());
    let accept = header(ACCEPT).to_owned();
    let (found, nth) = {
        let mut state = state.lock().unwrap();
        let nth = state.seen.iter().filter(|seen| seen.path == path).count();
        state.seen.push(Seen { path: path.clone(), from, accept });
        (state.contents.get(&path).cloned(), nth)
    };
    let Some((content, fault)) = found else { return StatusCode::NOT_FOUND.into_response() };
    match fault {
        Fault::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Fault::StatusAtFirst(status, times) if nth < times => {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        _ => {}
    }
    let start = from.filter(|_| !matches!(fault, Fault::IgnoresRanges)).unwrap_or(0);
    if start > 0 && start >= content.len() {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let rest = content.slice(start..);
    let mut response = Response::builder().header(CONTENT_LENGTH, rest.len());
    if start > 0 {
        let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
        response = response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range);
    }
    if path.starts_with("/simple/") {
        let json = !matches!(fault, Fault::HtmlOnly);
        response =
            response.header(CONTENT_TYPE, if json { "application/vnd.pypi.simple.v1+json" } else { "text/html" });
    }
    let body = match fault {
        Fault::CutsEach(after) if rest.len() > after => {
            let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            Body::from_stream(stream::iter([Ok(rest.slice(..after)), broken]).then(slowly))
        }
        Fault::StallsAtFirst(after) if nth == 0 => {
            let sent = stream::iter([Ok::<_, io::Error>(rest.slice(..after))]);
            Body::from_stream(sent.chain(stream::pending()))
        }
        _ => Body::from(rest),
    };
    response.body(body).unwrap()
}

/// A chunk and the break after it must not arrive as one, or the chunk would be lost with the connection.
async fn slowly<T>(item: Result<T, io::Error>) -> Result<T, io::Error> {
    if item.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    item
}
