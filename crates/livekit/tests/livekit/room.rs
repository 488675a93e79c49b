//! Two participants in a room on a real server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aether_livekit::{
    AudioFrame, DataPacket, DataPacketKind, Error, NativeAudioSource, NativeAudioStream, ParticipantKind, Room,
    RoomEvent, RoomOptions, StreamTextOptions, TrackSource, Transcription, TranscriptionSegment, room_name,
};
use aether_testkit::eventually;

use crate::support::{Tone, admin, audio_track, event, hear, join, join_as_agent, livekit};

#[tokio::test]
async fn each_hears_the_other_and_only_the_other() {
    let livekit = livekit().await;
    let (ada, mut to_ada) = join(&livekit, "duet", "ada").await;
    let (bob, mut to_bob) = join(&livekit, "duet", "bob").await;
    let low = Tone::play(&ada, 440.0).await;
    let _high = Tone::play(&bob, 1_000.0).await;

    let (at_bob, at_ada) = (audio_track(&mut to_bob).await, audio_track(&mut to_ada).await);
    assert_eq!(*at_bob.sid(), low.publication.sid());
    let publication = &bob.remote_participants()[ada.local_participant().identity()].track_publications()[0];
    assert_eq!(publication.source(), TrackSource::Microphone);
    let mut at_bob = NativeAudioStream::new(&at_bob, 48_000, 1, 10).unwrap();
    let mut at_ada = NativeAudioStream::new(&at_ada, 16_000, 1, 20).unwrap();
    tokio::join!(hear(&mut at_bob, 48_000, 440.0), hear(&mut at_ada, 16_000, 1_000.0));

    // A track that is taken back ends for whoever listens.
    ada.local_participant().unpublish_track(&low.publication.sid()).await.unwrap();
    let end = async { while at_bob.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the stream must end with its track");
    ada.close().await;
    bob.close().await;
}

#[tokio::test]
async fn queued_audio_can_be_cleared() {
    let livekit = livekit().await;
    let (ada, _to_ada) = join(&livekit, "clear", "ada").await;
    let source = NativeAudioSource::new(48_000, 1, 1_000).unwrap();
    let track = aether_livekit::LocalAudioTrack::create_audio_track("long queue", &source).unwrap();
    ada.local_participant().publish_track(&track, Default::default()).await.unwrap();

    let half = AudioFrame::mono(vec![1; 24_000], 48_000);
    source.capture_frame(&half).await.unwrap();
    source.capture_frame(&half).await.unwrap();
    source.clear_buffer();
    // With the second of audio still queued this would wait for most of it to be sent.
    let before = Instant::now();
    source.capture_frame(&half).await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(300), "the queue was not cleared");
    ada.close().await;
}

#[tokio::test]
async fn a_frame_of_the_wrong_format_is_refused_by_name() {
    let livekit = livekit().await;
    let source = NativeAudioSource::new(48_000, 1, 20).unwrap();
    let error = source.capture_frame(&AudioFrame::mono(vec![0; 160], 16_000)).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot capture audio of 16000 Hz with 1 channels: the source takes 48000 Hz with 1");
    drop(livekit);
}

#[tokio::test]
async fn text_goes_both_ways_whole_and_in_pieces() {
    let livekit = livekit().await;
    let (ada, mut to_ada) = join(&livekit, "chat", "ada").await;
    let (agent, mut to_agent) = join_as_agent(&livekit, "chat", "agent-chat").await;

    let long = "Grüße aus der Küche 🍳. ".repeat(2_000);
    let options = StreamTextOptions { topic: "lk.chat".into(), ..Default::default() };
    ada.local_participant().send_text(&long, options).await.unwrap();
    let (reader, sender) = event(&mut to_agent, "the chat message", |event| match event {
        RoomEvent::TextStreamOpened { reader, topic, participant_identity } if topic == "lk.chat" => {
            Some((reader, participant_identity))
        }
        _ => None,
    })
    .await;
    assert_eq!(sender, "ada");
    assert_eq!(reader.read_all().await.unwrap(), long);

    let attributes = HashMap::from([
        ("lk.segment_id".to_owned(), "S1".to_owned()),
        ("lk.transcription_final".to_owned(), "false".to_owned()),
    ]);
    let options = StreamTextOptions {
        topic: "lk.transcription".into(),
        attributes,
        destination_identities: vec!["ada".into()],
        ..Default::default()
    };
    let writer = agent.local_participant().stream_text(options).await.unwrap();
    writer.write("The kettle ").await.unwrap();
    let mut reader = event(&mut to_ada, "the transcription", |event| match event {
        RoomEvent::TextStreamOpened { reader, topic, .. } if topic == "lk.transcription" => Some(reader),
        _ => None,
    })
    .await;
    assert_eq!(reader.info().attributes["lk.transcription_final"], "false");
    assert_eq!(reader.next().await.unwrap().unwrap(), "The kettle ");
    writer.write("boils.").await.unwrap();
    writer.close_with(HashMap::from([("lk.transcription_final".to_owned(), "true".to_owned())])).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "boils.");
    assert!(reader.next().await.is_none());
    assert_eq!(reader.info().attributes["lk.transcription_final"], "true");
    assert_eq!(reader.info().attributes["lk.segment_id"], "S1");
    ada.close().await;
    agent.close().await;
}

#[tokio::test]
async fn a_stream_that_is_being_read_fails_when_the_room_is_left() {
    let livekit = livekit().await;
    let (ada, _to_ada) = join(&livekit, "cut", "ada").await;
    let (bob, mut to_bob) = join(&livekit, "cut", "bob").await;
    let options = StreamTextOptions { topic: "lk.chat".into(), ..Default::default() };
    let writer = ada.local_participant().stream_text(options).await.unwrap();
    writer.write("half a sen").await.unwrap();
    let mut reader = event(&mut to_bob, "the stream", |event| match event {
        RoomEvent::TextStreamOpened { reader, .. } => Some(reader),
        _ => None,
    })
    .await;
    assert_eq!(reader.next().await.unwrap().unwrap(), "half a sen");
    bob.close().await;
    assert!(matches!(reader.next().await, Some(Err(Error::Rejected { .. }))));
    assert!(reader.next().await.is_none());
    ada.close().await;
}

#[tokio::test]
async fn attributes_data_and_transcriptions_arrive() {
    let livekit = livekit().await;
    let (ada, mut to_ada) = join(&livekit, "facts", "ada").await;
    let (agent, _to_agent) = join_as_agent(&livekit, "facts", "agent-facts").await;
    let us = agent.local_participant();
    assert_eq!(us.kind(), ParticipantKind::Agent);

    event(&mut to_ada, "the agent", |event| matches!(event, RoomEvent::ParticipantConnected(_)).then_some(())).await;
    us.set_attributes(HashMap::from([("lk.agent.state".to_owned(), "listening".to_owned())])).await.unwrap();
    event(&mut to_ada, "the agent's state", |event| match event {
        RoomEvent::ParticipantAttributesChanged { participant_identity, changed_attributes }
            if participant_identity == "agent-facts" =>
        {
            (changed_attributes.get("lk.agent.state").map(String::as_str) == Some("listening")).then_some(())
        }
        _ => None,
    })
    .await;
    let seen = &ada.remote_participants()[us.identity()];
    assert_eq!((seen.kind(), seen.attribute("lk.agent.state").as_deref()), (ParticipantKind::Agent, Some("listening")));

    let packet = DataPacket {
        payload: b"{\"kind\":\"status\"}".to_vec(),
        topic: Some("aether".to_owned()),
        reliable: true,
        destination_identities: vec!["ada".into()],
    };
    us.publish_data(packet).await.unwrap();
    let (payload, topic, kind, sender) = event(&mut to_ada, "the data", |event| match event {
        RoomEvent::DataReceived { payload, topic, kind, participant_identity } => {
            Some((payload, topic, kind, participant_identity))
        }
        _ => None,
    })
    .await;
    assert_eq!(payload.as_ref(), b"{\"kind\":\"status\"}");
    assert_eq!((topic.as_deref(), kind), (Some("aether"), DataPacketKind::Reliable));
    assert_eq!(sender.unwrap(), "agent-facts");

    let tone = Tone::play(&agent, 440.0).await;
    let segment = TranscriptionSegment {
        id: "S1".into(),
        text: "hello".into(),
        r#final: true,
        language: "en".into(),
        ..Default::default()
    };
    us.publish_transcription(Transcription {
        participant_identity: us.identity().clone(),
        track_id: tone.publication.sid(),
        segments: vec![segment.clone()],
    })
    .await
    .unwrap();
    let segments = event(&mut to_ada, "the transcription", |event| match event {
        RoomEvent::TranscriptionReceived { segments, .. } => Some(segments),
        _ => None,
    })
    .await;
    assert_eq!(segments, [segment]);

    // A person is who their token says.
    let pretend = ada.local_participant().set_attributes(HashMap::from([("admin".to_owned(), "yes".to_owned())])).await;
    assert!(matches!(pretend, Err(Error::Rejected { .. })), "{pretend:?}");
    ada.close().await;
    agent.close().await;
}

#[tokio::test]
async fn people_come_and_go() {
    let livekit = livekit().await;
    let (ada, mut to_ada) = join(&livekit, "door", "ada").await;
    let (bob, mut to_bob) = join(&livekit, "door", "bob").await;
    event(&mut to_ada, "bob", |event| matches!(event, RoomEvent::ParticipantConnected(_)).then_some(())).await;
    assert_eq!(bob.remote_participants().keys().map(|identity| identity.as_str()).collect::<Vec<_>>(), ["ada"]);

    // Dropping a room leaves it, without a word.
    drop(bob);
    let gone = event(&mut to_ada, "bob's leaving", |event| match event {
        RoomEvent::ParticipantDisconnected(participant) => Some(participant),
        _ => None,
    })
    .await;
    assert_eq!(*gone.identity(), "bob");
    assert!(ada.remote_participants().is_empty());
    event(&mut to_bob, "the end", |event| matches!(event, RoomEvent::Disconnected { .. }).then_some(())).await;
    assert!(to_bob.recv().await.is_none());

    // The room can be ended from outside; all that is asked of it afterwards is an error.
    admin(&livekit).delete_room("door").await.unwrap();
    event(&mut to_ada, "the end", |event| matches!(event, RoomEvent::Disconnected { .. }).then_some(())).await;
    assert!(ada.is_closed());
    let late = ada.local_participant().send_text("anyone?", StreamTextOptions::default()).await;
    assert!(matches!(late, Err(Error::Closed { operation: "send text" })), "{late:?}");
    ada.close().await;
    ada.close().await;
}

#[tokio::test]
async fn a_name_that_two_carry_belongs_to_the_later() {
    let livekit = livekit().await;
    let (first, mut to_first) = join_as_agent(&livekit, "fence", "agent-fence").await;
    let (second, _to_second) = join_as_agent(&livekit, "fence", "agent-fence").await;
    let reason = event(&mut to_first, "being replaced", |event| match event {
        RoomEvent::Disconnected { reason } => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, aether_livekit::DisconnectReason::DuplicateIdentity);
    assert!(first.is_closed() && !second.is_closed());
    second.close().await;
}

#[tokio::test]
async fn a_refused_token_is_explained_and_not_repeated() {
    let livekit = livekit().await;
    let stranger = aether_livekit::ApiKey { key: "stranger".into(), secret: "x".repeat(40) };
    let grant = aether_livekit::token::Grant::new("closed", "eve");
    let token = aether_livekit::token::person(&stranger, grant).unwrap();
    let options = RoomOptions { join_retries: 0, ..Default::default() };
    let error = Room::connect(&livekit.url, &token, options).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(!error.to_string().contains(&token) && !format!("{error:?}").contains(&token));
}

#[tokio::test]
async fn names_of_any_script_make_rooms_of_their_own() {
    let livekit = livekit().await;
    let tenant = aether_proto::TenantId::new("größe/50%").unwrap();
    let one = room_name(&tenant, &aether_proto::RoomName::new("küche 🍳/table").unwrap());
    let (room, _events) = join(&livekit, &one, "ada").await;
    assert_eq!(room.name(), one);
    let admin = admin(&livekit);
    eventually("the room is listed", 5, async || admin.list_rooms().await.unwrap() == [one.clone()]).await;
    let there = admin.list_participants(&one).await.unwrap();
    assert_eq!((there.len(), there[0].identity.as_str(), there[0].kind), (1, "ada", ParticipantKind::Standard));
    room.close().await;
}

#[tokio::test]
async fn audio_comes_back_when_the_server_does() {
    let mut livekit = livekit().await;
    let (ada, _to_ada) = join(&livekit, "storm", "ada").await;
    let (bob, mut to_bob) = join(&livekit, "storm", "bob").await;
    let tone = Tone::play(&ada, 440.0).await;
    let before = tone.publication.sid();
    let mut stream = NativeAudioStream::new(&audio_track(&mut to_bob).await, 48_000, 1, 10).unwrap();
    hear(&mut stream, 48_000, 440.0).await;

    livekit.kill().await;
    event(&mut to_bob, "the loss", |event| matches!(event, RoomEvent::Reconnecting).then_some(())).await;
    livekit.restart().await;
    let mut again = NativeAudioStream::new(&audio_track(&mut to_bob).await, 48_000, 1, 10).unwrap();
    let end = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("the old stream must end");
    hear(&mut again, 48_000, 440.0).await;
    eventually("the track's new name is known", 5, async || tone.publication.sid() != before).await;
    ada.local_participant().unpublish_track(&tone.publication.sid()).await.unwrap();
    ada.close().await;
    bob.close().await;
}
