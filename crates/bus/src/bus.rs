//! One process's connection to NATS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aether_proto::{InstanceId, subject};
use aether_settings::NatsSettings;
use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use futures::StreamExt;
use rand::RngExt;
use tokio::sync::watch;

use crate::context::Context;
use crate::error::Error;
use crate::{headers, trace};

/// Longest wait between two attempts to connect.
const RECONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How to reach NATS, and who is asking.
#[derive(Clone)]
pub struct Options {
    /// `nats://host:port`, or several separated by commas.
    pub url: String,
    /// The service's name: its queue group, its inbox prefix `_INBOX.<service>` and its name on the NATS side.
    pub service: String,
    pub user: Option<String>,
    pub password: Option<String>,
    /// How long a request without a deadline of its own may take.
    pub request_limit: Duration,
    /// How long a message waits for a connection that is being re-established before it fails.
    pub connection_patience: Duration,
}

impl Options {
    pub fn new(url: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            service: service.into(),
            user: None,
            password: None,
            request_limit: Duration::from_secs(5),
            connection_patience: Duration::from_millis(500),
        }
    }

    /// What the process was told about NATS, for the service of this name.
    pub fn from_settings(service: &str, settings: &NatsSettings) -> Self {
        Self {
            user: settings.user.clone(),
            password: settings.password.as_ref().map(|password| password.expose().to_owned()),
            ..Self::new(settings.url.expose(), service)
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the URL, which may carry a password, nor the password.
        f.debug_struct("Options").field("service", &self.service).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the NATS URL is not usable: expected nats://host:port")]
    Url,
    #[error("a bus needs the name of its service")]
    NoService,
    #[error("NATS has a user but no password, or a password but no user: give both or none")]
    HalfCredentials,
}

/// A handle on the connection; cheap to clone, all clones share it.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bus").field(&self.worker_name()).finish()
    }
}

struct Inner {
    client: Client,
    service: String,
    instance: InstanceId,
    request_limit: Duration,
    connection_patience: Duration,
    connected: watch::Receiver<bool>,
    /// Why the last attempt to connect failed; empty where that is not known, or none failed since the last connection.
    why_not: watch::Receiver<String>,
    /// Counts the times the connection itself dropped messages because the process was too slow.
    slow: watch::Receiver<u64>,
}

impl Bus {
    /// Returns at once, even while NATS is away: the connection is made, and made again, in the background for ever.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        if options.service.is_empty() {
            return Err(ConnectError::NoService);
        }
        let (connected_sender, connected) = watch::channel(false);
        let (slow_sender, slow) = watch::channel(0);
        let (reason_sender, why_not) = watch::channel(String::new());
        let reasons = reason_sender.clone();
        let failures = Arc::new(AtomicU32::new(0));

        let on_event = move |event: Event| {
            match event {
                Event::Connected => {
                    failures.store(0, Ordering::Relaxed);
                    reason_sender.send_replace(String::new());
                    tracing::info!("connected to NATS");
                    connected_sender.send_replace(true);
                }
                Event::Disconnected | Event::Closed => {
                    tracing::warn!("lost the connection to NATS, trying again");
                    connected_sender.send_replace(false);
                }
                Event::SlowConsumer(_) => slow_sender.send_modify(|count| *count += 1),
                // One line when it starts to fail, not one per attempt: at the second, when it is known why the first did.
                Event::ClientError(_) if failures.fetch_add(1, Ordering::Relaxed) == 1 => {
                    tracing::warn!(error = %*reason_sender.borrow(), "NATS can't be reached, trying again");
                }
                Event::ServerError(error) => tracing::warn!(%error, "NATS refused something"),
                other => tracing::debug!(event = %other, "NATS event"),
            }
            async {}
        };

        let mut connect = ConnectOptions::new()
            .name(&options.service)
            .custom_inbox_prefix(format!("_INBOX.{}", subject::escape(&options.service)))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(Duration::from_secs(3))
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(reconnect_delay)
            // Only who may choose the next server is told why the last attempt failed; an event says no more than `IO error`.
            .reconnect_to_server_callback(move |servers, _| {
                if let Some(reason) = servers.into_iter().find_map(|server| server.last_error) {
                    reasons.send_replace(reason);
                }
                async { None }
            })
            .event_callback(on_event);
        connect = match (options.user, options.password) {
            (Some(user), Some(password)) => connect.user_and_password(user, password),
            (None, None) => connect,
            _ => return Err(ConnectError::HalfCredentials),
        };
        let client = connect.connect(options.url.as_str()).await.map_err(|_| ConnectError::Url)?;

        Ok(Self {
            inner: Arc::new(Inner {
                client,
                service: options.service,
                instance: InstanceId::generate(),
                request_limit: options.request_limit,
                connection_patience: options.connection_patience,
                connected,
                why_not,
                slow,
            }),
        })
    }

    /// Whether there is a connection right now, and every change of that.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.inner.connected.clone()
    }

    /// Succeeds once a message has gone to the server and come back.
    pub async fn ready(&self, limit: Duration) -> Result<(), Error> {
        let round_trip = async {
            self.inner.connected.clone().wait_for(|connected| *connected).await.map_err(|_| Error::Disconnected)?;
            let inbox = self.client().new_inbox();
            let mut echo = self.client().subscribe(inbox.clone()).await.map_err(|_| Error::Disconnected)?;
            self.client().publish(inbox, "".into()).await.map_err(|_| Error::Disconnected)?;
            echo.next().await.map(|_| ()).ok_or(Error::Disconnected)
        };
        tokio::time::timeout(limit, round_trip)
            .await
            .map_err(|_| Error::TimedOut { what: "a round trip to NATS", limit })?
    }

    pub fn service_name(&self) -> &str {
        &self.inner.service
    }

    /// This process, as it names itself to others: `<service>/<instance id>`.
    pub fn worker_name(&self) -> String {
        format!("{}/{}", self.inner.service, self.inner.instance)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn instance(&self) -> InstanceId {
        self.inner.instance
    }

    pub(crate) fn request_limit(&self) -> Duration {
        self.inner.request_limit
    }

    pub(crate) fn why_not_connected(&self) -> String {
        self.inner.why_not.borrow().clone()
    }

    pub(crate) fn slow_consumer(&self) -> watch::Receiver<u64> {
        self.inner.slow.clone()
    }

    /// A subject of this process's own. Audio has its own prefix, so that the readable subjects stay readable.
    pub(crate) fn inbox(&self, audio: bool) -> String {
        let inbox = self.client().new_inbox();
        if audio { format!("{}.{inbox}", subject::AUDIO_PREFIX) } else { inbox }
    }

    /// Waits out a short reconnect. Without this, a message would sit in a queue and arrive long after anybody wants it.
    pub(crate) async fn wait_connected(&self) -> Result<(), Error> {
        let mut connected = self.inner.connected.clone();
        if *connected.borrow_and_update() {
            return Ok(());
        }
        match tokio::time::timeout(self.inner.connection_patience, connected.wait_for(|connected| *connected)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Disconnected),
        }
    }

    pub(crate) fn outgoing_headers(context: &Context) -> HeaderMap {
        let mut outgoing = HeaderMap::new();
        Self::write_headers(&mut outgoing, context);
        outgoing
    }

    pub(crate) fn write_headers(outgoing: &mut HeaderMap, context: &Context) {
        headers::write_context(outgoing, context);
        trace::write(outgoing);
    }
}

/// Doubles from 10 ms, with jitter so that a fleet does not come back in one instant.
fn reconnect_delay(attempts: usize) -> Duration {
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let doubled = Duration::from_millis(10 << attempts.min(10));
    doubled.min(RECONNECT_LIMIT).mul_f64(rand::rng().random_range(0.5..1.0))
}
