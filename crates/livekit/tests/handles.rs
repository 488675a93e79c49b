//! Nothing of the library stays behind. Alone in its file: the count is the process's.

mod support;

use std::time::Duration;

use aether_livekit::token::{self, Grant};
use aether_livekit::{EchoCanceller, NativeAudioStream, Room, RoomEvent, RoomOptions, StreamTextOptions, ffi};
use aether_testkit::eventually;
use support::{Tone, admin, audio_track, event, hear, join, key, livekit};

#[tokio::test]
async fn joining_and_leaving_leaks_no_handle_and_no_ghost() {
    let livekit = livekit().await;
    let admin = admin(&livekit);
    assert_eq!(ffi::live_handles(), 0);
    let (ada, mut to_ada) = join(&livekit, "house", "ada").await;
    let tone = Tone::play(&ada, 440.0).await;
    let alone = ffi::live_handles();

    for round in 0..20 {
        let (bob, mut to_bob) = join(&livekit, "house", "bob").await;
        let _answer = Tone::play(&bob, 1_000.0).await;
        let mut stream = NativeAudioStream::new(&audio_track(&mut to_bob).await, 48_000, 1, 10).unwrap();
        hear(&mut stream, 48_000, 440.0).await;
        EchoCanceller::new(48_000, 1).unwrap().heard(&mut [0; 480]).unwrap();
        // One reader is never read, one is read halfway.
        let options = StreamTextOptions { topic: "lk.chat".into(), ..Default::default() };
        let writer = bob.local_participant().stream_text(options.clone()).await.unwrap();
        writer.write("half").await.unwrap();
        bob.local_participant().send_text("hello", options).await.unwrap();
        let mut half = None;
        for _ in 0..2 {
            let mut reader = event(&mut to_ada, "a stream", |event| match event {
                RoomEvent::TextStreamOpened { reader, .. } => Some(reader),
                _ => None,
            })
            .await;
            if half.is_none() {
                reader.next().await.unwrap().unwrap();
                half = Some(reader);
            }
        }
        if round % 2 == 0 {
            bob.close().await;
        }
    }
    drain(&mut to_ada).await;
    eventually("only ada's handles are left", 10, async || ffi::live_handles() == alone).await;

    // Joins that are given up halfway leave nobody in the room.
    for delay in [0, 5, 20, 40, 80] {
        let token = token::person(&key(&livekit), Grant::new("house", "nobody")).unwrap();
        let joining = Room::connect(&livekit.url, &token, RoomOptions::default());
        drop(tokio::time::timeout(Duration::from_millis(delay), joining).await);
    }
    let eating = tokio::spawn(async move { while to_ada.recv().await.is_some() {} });
    eventually("nobody but ada is there", 10, async || {
        admin.list_participants("house").await.unwrap().len() == 1 && ffi::live_handles() == alone
    })
    .await;

    ada.close().await;
    drop((ada, tone));
    eating.await.unwrap();
    eventually("no handle is left", 10, async || ffi::live_handles() == 0).await;
}

/// Takes what has come, and with it the handles in it.
async fn drain(events: &mut support::Events) {
    while tokio::time::timeout(Duration::from_millis(50), events.recv()).await.is_ok_and(|event| event.is_some()) {}
}
