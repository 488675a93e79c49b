//! `GET /ws`: what happens, pushed to whom it concerns. Nothing that a client says here is listened to.
//!
//! A socket costs little while nothing happens: its buffers are small, and what waits for it is bounded by its
//! [`Feed`]. A client that reads too slowly, says nothing to a ping, or whose token has ended is let go, with a code that says
//! which.

use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use aether_identity::{Bearer, Scope};
use aether_proto::ErrorCode;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::access::{Caller, bearer, now_unix};
use crate::app::App;
use crate::hub::{Ended, Feed};
use crate::notifications::unseen;
use crate::problem::Problem;

/// What a browser must ask for beside its token, and gets.
const PROTOCOL: &str = "aether.events";
/// Nothing of length is expected from a client.
const MOST_INCOMING: usize = 4 << 10;
/// Each socket has one of these for as long as it lives.
const READ_BUFFER: usize = 1 << 10;
/// More than the largest event that the bus carries.
const WRITE_LIMIT: usize = 4 << 20;
/// How long a client may take to agree that the socket is closed.
const FAREWELL: Duration = Duration::from_secs(2);

const PACE: Pace =
    Pace { ping: Duration::from_secs(20), silence: Duration::from_secs(60), standing: Duration::from_secs(5) };

/// How often what is looked at.
#[derive(Debug, Clone, Copy)]
struct Pace {
    ping: Duration,
    /// Without a word, a pong included, for so long: gone.
    silence: Duration,
    /// Between two looks whether the token or key still holds.
    standing: Duration,
}

/// Why a socket is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    TooSlow,
    Lost,
    Silent,
    Unreadable,
    Expired,
    Stopping,
}

impl From<Goodbye> for CloseFrame {
    fn from(goodbye: Goodbye) -> Self {
        let (code, reason) = match goodbye {
            Goodbye::TooSlow => (1013, "too slow: reconnect"),
            Goodbye::Lost => (1013, "events were lost: reconnect"),
            Goodbye::Silent => (1001, "no answer to a ping"),
            Goodbye::Unreadable => (1009, "nothing of length is read here"),
            Goodbye::Expired => (4401, "the token or key is no longer valid"),
            Goodbye::Stopping => (1001, "the gateway is stopping: reconnect"),
        };
        Self { code, reason: reason.into() }
    }
}

/// `GET /ws`
pub(crate) async fn connect(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if caller.person.is_none() && !caller.may(Scope::Admin) {
        let message = "a key of nobody's sees all of the tenant, which needs the scope `admin`";
        return Err(Problem::new(ErrorCode::PermissionDenied, message));
    }
    let upgrade = upgrade.map_err(|error| Problem::new(ErrorCode::InvalidArgument, error.body_text()))?;
    let feed = app.hub.listen(&caller.tenant, caller.person.as_ref());
    if let Some(person) = &caller.person {
        feed.begin_with(&unseen(&app, &caller, person).await);
    }
    let presented = bearer(&headers).unwrap_or_default().to_owned();
    let shutdown = app.shutdown.clone();
    // The process waits for what it says last.
    let staying = app.background.token();
    let upgrade = small(upgrade).protocols([PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _staying = staying;
        push(socket, feed, PACE, || still_holds(&app, &presented), shutdown).await;
    }))
}

fn small(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_LIMIT)
        .max_message_size(MOST_INCOMING)
        .max_frame_size(MOST_INCOMING)
}

/// Whether what was presented would still be accepted. While nobody can say, it is.
async fn still_holds(app: &App, presented: &str) -> bool {
    match Bearer::read(presented) {
        None => false,
        Some(Bearer::PageToken(text)) => app.options.keyring.verify(text, now_unix()).is_ok(),
        Some(Bearer::Key(text)) => app.keys.find(app, text).await.map_or(true, |found| found.is_some()),
    }
}

/// Passes on what happens until one side has had enough.
async fn push<F: Future<Output = bool>>(
    mut socket: WebSocket,
    feed: Feed,
    pace: Pace,
    holds: impl Fn() -> F,
    shutdown: CancellationToken,
) {
    let goodbye = converse(&mut socket, &feed, pace, holds, &shutdown).await;
    // What waited is free, whether or not the client takes its leave.
    drop(feed);
    if let Some(goodbye) = goodbye {
        tracing::debug!(?goodbye, "a socket is closed");
        let leave = async {
            if socket.send(Message::Close(Some(goodbye.into()))).await.is_ok() {
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        let _ = timeout(FAREWELL, leave).await;
    }
}

/// `None`: the client went by itself.
async fn converse<F: Future<Output = bool>>(
    socket: &mut WebSocket,
    feed: &Feed,
    pace: Pace,
    holds: impl Fn() -> F,
    shutdown: &CancellationToken,
) -> Option<Goodbye> {
    let mut ping = interval_at(Instant::now() + pace.ping, pace.ping);
    let mut standing = interval_at(Instant::now() + pace.standing, pace.standing);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    standing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_word = Instant::now();
    loop {
        // Each arm only receives.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Some(Goodbye::Stopping),
            word = socket.recv() => match word {
                None => return None,
                Some(Ok(Message::Close(_))) => return None,
                // Pongs above all. Whatever else it is, it is a sign of life.
                Some(Ok(_)) => last_word = Instant::now(),
                // Longer than is read here, outside the protocol, or the connection is gone and nobody hears the reason.
                Some(Err(_)) => return Some(Goodbye::Unreadable),
            },
            _ = standing.tick() => if !holds().await {
                return Some(Goodbye::Expired);
            },
            _ = ping.tick() => {
                if last_word.elapsed() > pace.silence {
                    return Some(Goodbye::Silent);
                }
                if let ControlFlow::Break(goodbye) = say(socket, Message::Ping(Bytes::new()), feed, pace, shutdown).await {
                    return goodbye;
                }
            }
            frame = feed.next() => match frame {
                Ok(frame) => {
                    if let ControlFlow::Break(goodbye) = say(socket, Message::Text(frame), feed, pace, shutdown).await {
                        return goodbye;
                    }
                }
                Err(ended) => return Some(ended.into()),
            },
        }
    }
}

impl From<Ended> for Goodbye {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TooSlow => Self::TooSlow,
            Ended::Lost => Self::Lost,
        }
    }
}

/// Sends, for as long as the client takes, and no longer than its feed lasts.
async fn say(
    socket: &mut WebSocket,
    message: Message,
    feed: &Feed,
    pace: Pace,
    shutdown: &CancellationToken,
) -> ControlFlow<Option<Goodbye>> {
    tokio::select! {
        sent = timeout(pace.silence, socket.send(message)) => match sent {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) => ControlFlow::Break(None),
            Err(_) => ControlFlow::Break(Some(Goodbye::Silent)),
        },
        ended = feed.ended() => ControlFlow::Break(Some(ended.into())),
        () = shutdown.cancelled() => ControlFlow::Break(Some(Goodbye::Stopping)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use aether_bus::Bus;
    use aether_proto::{PersonId, TenantId};
    use axum::Router;
    use axum::routing::get;
    use futures::StreamExt as _;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
    use tokio_tungstenite::{connect_async, tungstenite};

    use super::*;
    use crate::hub::Hub;
    use crate::latency::Latency;

    const QUICK: Pace = Pace {
        ping: Duration::from_millis(50),
        silence: Duration::from_millis(400),
        standing: Duration::from_secs(60),
    };

    /// Sockets alone, on a hub on whose bus nothing happens.
    async fn serve(pace: Pace) -> (SocketAddr, Hub) {
        let bus = Bus::connect(aether_bus::Options::new("nats://127.0.0.1:1", "gateway")).await.unwrap();
        let hub = Hub::start(&bus, Latency::default());
        let listening = hub.clone();
        let handler = move |upgrade: WebSocketUpgrade| async move {
            let feed = listening.listen(&TenantId::new("acme").unwrap(), Some(&PersonId::new("ada").unwrap()));
            small(upgrade)
                .on_upgrade(move |socket| push(socket, feed, pace, || async { true }, CancellationToken::new()))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/ws", get(handler))).await.unwrap() });
        (address, hub)
    }

    #[tokio::test]
    async fn who_answers_pings_stays_and_who_does_not_is_let_go() {
        let (address, hub) = serve(QUICK).await;
        let (mut answering, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        let (mut silent, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        // Reading is what answers a ping.
        let reading = async {
            let mut pings = 0;
            while let Some(Ok(message)) = answering.next().await {
                pings += usize::from(message.is_ping());
            }
            pings
        };
        assert!(timeout(QUICK.silence * 4, reading).await.is_err(), "who answers stays");
        assert_eq!(hub.listeners(), 1, "who does not has left nothing behind");
        let mut last = None;
        while let Some(Ok(message)) = silent.next().await {
            last = Some(message);
        }
        let Some(tungstenite::Message::Close(Some(close))) = last else { panic!("{last:?}") };
        assert_eq!(close.code, CloseCode::Away);
    }

    #[tokio::test]
    async fn ten_who_come_and_go_in_a_loop_leave_nothing_behind() {
        let (address, hub) = serve(PACE).await;
        for _ in 0..20 {
            let mut sockets = Vec::new();
            for _ in 0..10 {
                sockets.push(connect_async(format!("ws://{address}/ws")).await.unwrap().0);
            }
            aether_testkit::eventually("all are there", 5, || async { hub.listeners() == 10 }).await;
            // Half say goodbye, half are simply gone.
            for socket in sockets.iter_mut().step_by(2) {
                socket.close(None).await.unwrap();
            }
            drop(sockets);
            aether_testkit::eventually("all are gone", 5, || async { hub.listeners() == 0 }).await;
        }
    }
}
