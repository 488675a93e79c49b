//! What happens, pushed to whom it concerns.

use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_identity::Scopes;
use aether_proto::{AgentId, ClientEvent, PersonId, StatusEvent, TurnMetrics, client_event, subject};
use aether_testkit::eventually;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async};

use crate::desk::Desk;
use crate::house::{House, house, room, tenant};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a socket is asked for.
enum By<'a> {
    Header(&'a str),
    /// As a browser must.
    Protocol(&'a str),
}

async fn open(url: &str, by: By<'_>) -> Result<Socket, StatusCode> {
    let address = url.trim_start_matches("http://").parse().unwrap();
    let stream = TcpSocket::new_v4().unwrap();
    // Little, so that a reader who does not read is noticed.
    stream.set_recv_buffer_size(4096).unwrap();
    let stream = stream.connect(address).await.unwrap();
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    let (name, value) = match by {
        By::Header(token) => ("authorization", format!("Bearer {token}")),
        By::Protocol(token) => ("sec-websocket-protocol", format!("aether.events, aether.token.{token}")),
    };
    request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
    match client_async(request, MaybeTlsStream::Plain(stream)).await {
        Ok((socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
            assert_eq!(chosen, (name != "authorization").then_some("aether.events"));
            Ok(socket)
        }
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(StatusCode::from_u16(response.status().as_u16()).unwrap())
        }
        Err(error) => panic!("{error}"),
    }
}

fn status(message: &str, people: &[&str]) -> ClientEvent {
    let status = StatusEvent { code: "test".to_owned(), message: message.to_owned() };
    ClientEvent {
        room: "kitchen".to_owned(),
        people: people.iter().map(|one| (*one).to_owned()).collect(),
        event: Some(client_event::Event::Status(status)),
        ..ClientEvent::default()
    }
}

async fn tell(bus: &Bus, whose: &str, event: &ClientEvent) {
    let context = Context::new(tenant(whose), AgentId::new("aether").unwrap());
    bus.publish(&context, &subject::room_events(&tenant(whose), &room("kitchen")), event).await.unwrap();
}

/// Waits until the gateway hears the bus.
async fn heard(house: &House, bus: &Bus) {
    let mut socket = open(house.url(), By::Header(&house.admin_token("hearing"))).await.unwrap();
    let told = async {
        loop {
            tell(bus, "hearing", &ClientEvent::default()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = told => {}
        heard = tokio::time::timeout(Duration::from_secs(10), socket.next()) => assert!(heard.is_ok()),
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads to the end, and says with which code it came.
async fn closed(socket: &mut Socket, seconds: u64) -> (u16, String) {
    let end = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(close)))) => return (close.code.into(), close.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("closed without a word: {other:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), end).await.unwrap()
}

#[tokio::test]
async fn a_person_is_told_what_concerns_them_and_nobody_elses() {
    let house = house().await;
    let bus = house.bus("agent").await;
    heard(&house, &bus).await;
    let mut ada = open(house.url(), By::Protocol(&house.page_token("acme", "ada"))).await.unwrap();
    let mut everything = open(house.url(), By::Header(&house.admin_token("acme"))).await.unwrap();
    let mut stranger = open(house.url(), By::Header(&house.page_token("globex", "ada"))).await.unwrap();

    tell(&bus, "acme", &status("for bob", &["bob"])).await;
    tell(&bus, "acme", &status("for both", &["bob", "ada"])).await;
    let event = next(&mut ada).await;
    assert_eq!(
        event,
        json!({ "room": "kitchen", "people": ["bob", "ada"], "status": { "code": "test", "message": "for both" } })
    );
    let context = Context::new(tenant("acme"), AgentId::new("aether").unwrap());
    let typed = subject::person_events(&tenant("acme"), &PersonId::new("ada").unwrap());
    bus.publish(&context, &typed, &status("typed", &[])).await.unwrap();
    tell(&bus, "globex", &status("elsewhere", &["ada"])).await;
    assert_eq!(next(&mut ada).await["status"]["message"], "typed");
    for expected in ["for bob", "for both", "typed"] {
        assert_eq!(next(&mut everything).await["status"]["message"], expected);
    }
    assert_eq!(next(&mut stranger).await["status"]["message"], "elsewhere");
}

#[tokio::test]
async fn who_may_not_listen_is_told_before_the_socket_is_made() {
    let house = house().await;
    let nobodys = house.token_for("acme", None, Scopes::PAGE, Duration::from_secs(60));
    let mute: Scopes = "chat".parse().unwrap();
    let chats = house.token_for("acme", Some("ada"), mute, Duration::from_secs(60));
    assert_eq!(open(house.url(), By::Header("aether_unknown")).await.err(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(open(house.url(), By::Protocol("aetherpage_x.y")).await.err(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(open(house.url(), By::Header(&nobodys)).await.err(), Some(StatusCode::FORBIDDEN));
    assert_eq!(open(house.url(), By::Header(&chats)).await.err(), Some(StatusCode::FORBIDDEN));
    let (status, problem) = house.ask(Method::GET, "/ws", &house.page_token("acme", "ada"), None).await;
    assert_eq!((status, &problem["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_argument")));
}

#[tokio::test]
async fn who_reads_too_slowly_is_let_go_and_holds_nobody_up() {
    let house = house().await;
    let bus = house.bus("agent").await;
    heard(&house, &bus).await;
    let mut slow = open(house.url(), By::Header(&house.page_token("acme", "ada"))).await.unwrap();
    let mut quick = open(house.url(), By::Header(&house.page_token("acme", "ada"))).await.unwrap();
    // More than the system keeps for a socket.
    let padding = "x".repeat(30_000);
    for number in 0..600 {
        let message = format!("{number} {padding}");
        tell(&bus, "acme", &status(&message, &["ada"])).await;
        assert_eq!(next(&mut quick).await["status"]["message"], json!(message));
    }
    let (code, reason) = closed(&mut slow, 10).await;
    assert_eq!((code, reason.as_str()), (1013, "too slow: reconnect"));
}

#[tokio::test]
async fn what_a_client_says_is_not_listened_to_and_length_is_not_taken() {
    let house = house().await;
    let bus = house.bus("agent").await;
    heard(&house, &bus).await;
    let mut ada = open(house.url(), By::Header(&house.page_token("acme", "ada"))).await.unwrap();
    for _ in 0..1_000 {
        ada.send(Message::text("{\"say\":{\"text\":\"hello\"}}")).await.unwrap();
    }
    ada.send(Message::Ping("still there?".into())).await.unwrap();
    tell(&bus, "acme", &status("hello", &["ada"])).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match ada.next().await.unwrap().unwrap() {
            Message::Text(_) => seen.push("event"),
            Message::Pong(payload) => {
                assert_eq!(&payload[..], b"still there?");
                seen.push("pong");
            }
            other => panic!("{other:?}"),
        }
    }
    ada.send(Message::text("x".repeat(5_000))).await.unwrap();
    assert_eq!(closed(&mut ada, 5).await.0, 1009);
}

#[tokio::test]
async fn a_token_that_ends_ends_its_socket() {
    let house = house().await;
    let token = house.token_for("acme", Some("ada"), Scopes::PAGE, Duration::from_secs(2));
    let mut ada = open(house.url(), By::Protocol(&token)).await.unwrap();
    assert_eq!(closed(&mut ada, 15).await.0, 4401);
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_its_sockets() {
    let desk = Desk::open().await;
    let (key, prefix) = desk.key_until("acme", Some("ada"), "talk", None).await;
    let kept = desk.key("acme", Some("ada"), "talk").await;
    let mut revoked = open(&desk.url, By::Protocol(&key)).await.unwrap();
    let mut kept = open(&desk.url, By::Protocol(&kept)).await.unwrap();
    let admin = desk.key("acme", None, "admin").await;
    let (status, _) = desk.send(Method::DELETE, &format!("/v1/keys/{prefix}"), &admin, None).await;
    assert!(status.is_success(), "{status}");
    assert_eq!(closed(&mut revoked, 15).await.0, 4401);
    let more = tokio::time::timeout(Duration::from_secs(6), kept.next()).await;
    assert!(more.is_err(), "another key holds: {more:?}");
}

#[tokio::test]
async fn a_gateway_that_stops_says_so() {
    let mut house = house().await;
    let mut ada = open(house.url(), By::Header(&house.page_token("acme", "ada"))).await.unwrap();
    let reading = tokio::spawn(async move { closed(&mut ada, 10).await });
    house.close().await;
    assert_eq!(reading.await.unwrap().0, 1001);
}

#[tokio::test]
async fn what_turns_took_is_counted_from_the_same_events() {
    let house = house().await;
    let bus = house.bus("agent").await;
    heard(&house, &bus).await;
    let metrics = TurnMetrics { total_ms: 900, endpoint_ms: 500, llm_first_token_ms: 200, ..TurnMetrics::default() };
    tell(
        &bus,
        "acme",
        &ClientEvent { event: Some(client_event::Event::TurnMetrics(metrics)), ..ClientEvent::default() },
    )
    .await;
    eventually("it is counted", 5, || async {
        let (_, latency) = house.ask(Method::GET, "/metrics/latency", "", None).await;
        latency["stages"]["whole_turn"]["count"] == 1 && latency["stages"]["whole_turn"]["p50"] == 900.0
    })
    .await;
}
