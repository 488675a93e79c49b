//! The HTTP server of a service: its health and metrics, and whatever else it offers.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::exposition::Exposition;
use crate::health::Health;
use crate::init::exposition;

/// How long requests that are being answered may take after the wish to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a service can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "port {} on {} is taken by another process; stop it (`ss -ltnp 'sport = :{}'` names it) or choose another port",
        .bind.port(), .bind.ip(), .bind.port()
    )]
    PortTaken { bind: SocketAddr },
    #[error("port {} may not be opened by this user; choose one above 1023", .bind.port())]
    PortForbidden { bind: SocketAddr },
    #[error("{} is not an address of this machine; bind 127.0.0.1, or 0.0.0.0 for all addresses", .bind.ip())]
    NotOurAddress { bind: SocketAddr },
    #[error("can't listen on {bind}")]
    Listen { bind: SocketAddr, source: io::Error },
    #[error("the HTTP server on {bind} broke")]
    Broken { bind: SocketAddr, source: io::Error },
}

/// `/livez` (the process runs), `/readyz` (it has what it needs: 200 or 503), `/health` (the same as JSON, always 200) and
/// `/metrics` (Prometheus).
pub fn http_router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/health", get(|State(health): State<Health>| async move { Json(health.report()) }))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report();
    if report.ready {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", report.waiting_for.join(", ")))
    }
}

/// In the form that who asks can read; with exemplars, where it has room for them.
async fn metrics(headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (content_type, text): (_, fn(&Exposition) -> String) = if accepted.contains("application/openmetrics-text") {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Exposition::open_metrics)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", Exposition::text)
    };
    ([(header::CONTENT_TYPE, content_type)], exposition().map(text).unwrap_or_default())
}

/// A bound port. Bind early, so that a taken port is said before models are loaded.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    pub async fn bind(bind: SocketAddr) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(bind).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::PortTaken { bind },
            io::ErrorKind::PermissionDenied => ServeError::PortForbidden { bind },
            io::ErrorKind::AddrNotAvailable => ServeError::NotOurAddress { bind },
            _ => ServeError::Listen { bind, source },
        })?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { bind, source })?;
        Ok(Self { listener, address })
    }

    /// Where it listens: with the real port where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets running requests finish for at most five seconds.
    pub async fn run(self, router: Router, shutdown: CancellationToken) -> Result<(), ServeError> {
        let bind = self.address;
        let stop = shutdown.clone().cancelled_owned();
        let server = axum::serve(self.listener, router).with_graceful_shutdown(stop).into_future();
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            result = server => result.map_err(|source| ServeError::Broken { bind, source }),
            () = overdue => Ok(()),
        }
    }
}

/// [`HttpServer::bind`] and [`HttpServer::run`] in one.
pub async fn serve(bind: SocketAddr, router: Router, shutdown: CancellationToken) -> Result<(), ServeError> {
    HttpServer::bind(bind).await?.run(router, shutdown).await
}
