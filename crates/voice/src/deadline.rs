use tokio::time::{Instant, sleep_until};

/// Resolves at this time; never without one.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
