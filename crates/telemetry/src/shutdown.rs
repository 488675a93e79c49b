//! The wish to stop, as the operating system brings it.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by [`shutdown_signal`]. Needs a tokio runtime.
pub fn shutdown_token() -> CancellationToken {
    let token = CancellationToken::new();
    let (signal, asked) = (shutdown_signal(), token.clone());
    tokio::spawn(async move {
        signal.await;
        asked.cancel();
    });
    token
}

/// Resolves at the first SIGTERM or SIGINT after the call. The handlers are in place when this returns, so that a signal
/// which comes before the first poll is not lost.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    async move {
        tokio::select! {
            () = received(&mut terminate) => tracing::info!(signal = "SIGTERM", "asked to stop"),
            () = received(&mut interrupt) => tracing::info!(signal = "SIGINT", "asked to stop"),
        }
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(
            |error| tracing::error!(%error, ?kind, "can't listen for a signal; stop this process with SIGKILL"),
        )
        .ok()
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
