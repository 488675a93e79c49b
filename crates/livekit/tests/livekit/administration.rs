//! Rooms seen from outside, and what the server tells by itself.

use std::time::Duration;

use aether_livekit::{ApiKey, DispatchRequest, RoomRequest, RoomSummary, WebhookEvent, parse_room_name, room_name};
use aether_proto::{RoomName, TenantId};
use aether_testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{admin, join, livekit};

#[tokio::test]
async fn a_room_is_made_as_asked_and_carries_a_text_for_as_long_as_it_lives() {
    let livekit = livekit().await;
    let admin = admin(&livekit);
    let name = "acme/kitchen.table 🍳/2".to_owned();
    let request = RoomRequest { name: name.clone(), max_participants: Some(1), ..RoomRequest::default() };
    admin.make_room(request.clone()).await.unwrap();
    admin.make_room(RoomRequest { max_participants: Some(9), ..request }).await.unwrap();
    admin.set_room_metadata(&name, "of the room").await.unwrap();
    let summary = RoomSummary { name: name.clone(), metadata: "of the room".to_owned() };
    eventually("the room carries its text", 5, || async {
        admin.room_summaries().await.unwrap() == std::slice::from_ref(&summary)
    })
    .await;

    let (ada, _events) = join(&livekit, &name, "ada").await;
    let refused = aether_livekit::token::person(
        &ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.clone() },
        aether_livekit::token::Grant::new(name.clone(), "bob"),
    );
    let options = aether_livekit::RoomOptions { join_retries: 0, ..Default::default() };
    assert!(
        aether_livekit::Room::connect(&livekit.url, &refused.unwrap(), options).await.is_err(),
        "there is one seat"
    );
    ada.close().await;

    let missing = admin.set_room_metadata("acme/nowhere", "x").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    let mut away = livekit;
    away.kill().await;
    assert!(!admin.room_summaries().await.unwrap_err().is_not_found(), "a server that is away knows nothing");
}

#[tokio::test]
async fn calls_for_agents_are_listed() {
    let livekit = livekit().await;
    let admin = admin(&livekit);
    let call = DispatchRequest {
        room: "acme/kitchen".to_owned(),
        agent_name: "aether".to_owned(),
        metadata: r#"{"returning":true}"#.to_owned(),
    };
    let id = admin.create_dispatch(call.clone()).await.unwrap();
    let mut made = admin.list_dispatches("acme/kitchen").await.unwrap();
    // The other is the server's own, for whoever takes automatic jobs.
    made.retain(|made| !made.agent_name.is_empty());
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!((&made[0].id, &made[0].agent_name, &made[0].metadata), (&id, &call.agent_name, &call.metadata));
}

#[tokio::test]
async fn the_server_tells_who_came_and_who_went() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/livekit/webhook", listener.local_addr().unwrap());
    aether_livekit::ffi::init(&aether_testkit::layout().library("liblivekit_ffi.so")).unwrap();
    let livekit = aether_testkit::livekit_with_webhook(&url).await;
    let key = ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.clone() };
    let (sender, mut told) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (key, sender) = (key.clone(), sender.clone());
            tokio::spawn(async move {
                let (authorization, body) = read_post(socket).await;
                sender.send(WebhookEvent::receive(&key, &authorization, &body)).await.unwrap();
            });
        }
    });

    let (tenant, kitchen) = (TenantId::new("größe/50%").unwrap(), RoomName::new("küche 🍳/table").unwrap());
    let name = room_name(&tenant, &kitchen);
    let (ada, _events) = join(&livekit, &name, "ada").await;
    ada.close().await;
    admin(&livekit).delete_room(&name).await.unwrap();

    let mut expected = vec![
        WebhookEvent::RoomStarted { room: name.clone() },
        WebhookEvent::ParticipantJoined { room: name.clone(), identity: "ada".into() },
        WebhookEvent::ParticipantLeft { room: name.clone(), identity: "ada".into() },
        WebhookEvent::RoomFinished { room: name.clone() },
    ];
    while !expected.is_empty() {
        let event = tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap().unwrap();
        expected.retain(|one| *one != event);
    }
    assert_eq!(parse_room_name(&name), Ok((tenant, kitchen)));
    eventually("the room is gone", 5, async || admin(&livekit).list_rooms().await.unwrap().is_empty()).await;
}

/// Reads one request and answers it.
async fn read_post(mut socket: TcpStream) -> (String, Vec<u8>) {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut buffer).await.unwrap();
        received.extend_from_slice(&buffer[..count]);
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(received[..end].to_vec()).unwrap();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let length: usize = header("content-length").unwrap().parse().unwrap();
        if received.len() >= end + 4 + length {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return (header("authorization").unwrap(), received[end + 4..].to_vec());
        }
    }
}
