//! Somebody in the room who reads what happens there, and perhaps has a telephone that echoes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use aether_livekit::token::{self, Grant};
use aether_livekit::well_known::{CHAT_TOPIC, EVENTS_TOPIC, PERSON_ATTRIBUTE};
use aether_livekit::{
    AudioFrame, LocalAudioTrack, NativeAudioSource, NativeAudioStream, RemoteAudioTrack, RemoteTrack, Room, RoomEvent,
    RoomOptions, StreamTextOptions, TrackPublishOptions,
};
use aether_proto::{ClientEvent, client_event};
use aether_testkit::eventually;

use crate::hall::{Hall, room};

const RATE_HZ: u32 = 48_000;
/// From the loudspeaker into the microphone.
const ECHO_MS: u32 = 120;
/// -15 dB.
const ECHO_GAIN: f32 = 0.178;

pub struct Visitor {
    room: Room,
    events: Arc<Mutex<Vec<ClientEvent>>>,
}

impl Visitor {
    /// Comes as `<person>-<device>`, under a name that may be empty.
    pub async fn come(hall: &Hall, person: &str, device: &str, name: &str) -> Self {
        Self::join(hall, person, device, name, None).await
    }

    /// The same with a microphone in which all that is heard from the agent returns, and nothing else.
    pub async fn come_with_echo(hall: &Hall, person: &str, device: &str, name: &str) -> Self {
        let microphone = NativeAudioSource::new(RATE_HZ, 1, 50).unwrap();
        let visitor = Self::join(hall, person, device, name, Some(microphone.clone())).await;
        let track = LocalAudioTrack::create_audio_track("microphone", &microphone).unwrap();
        let publishing = visitor.room.local_participant().publish_track(&track, TrackPublishOptions::default());
        publishing.await.unwrap();
        visitor
    }

    async fn join(hall: &Hall, person: &str, device: &str, name: &str, microphone: Option<NativeAudioSource>) -> Self {
        let mut grant = Grant::new(room(), format!("{person}-{device}"));
        grant.name = name.to_owned();
        grant.attributes = HashMap::from([(PERSON_ATTRIBUTE.to_owned(), person.to_owned())]);
        let token = token::person(&hall.key(), grant).unwrap();
        let (room, mut happening) = Room::connect(&hall.livekit.url, &token, RoomOptions::default()).await.unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = happening.recv().await {
                if let (RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(voice), .. }, Some(microphone)) =
                    (&event, &microphone)
                {
                    tokio::spawn(echo(voice.clone(), microphone.clone()));
                }
                if let RoomEvent::DataReceived { payload, topic: Some(topic), .. } = event
                    && topic == EVENTS_TOPIC
                {
                    seen.lock().unwrap().push(serde_json::from_slice(&payload).unwrap());
                }
            }
        });
        Self { room, events }
    }

    pub fn events(&self) -> Vec<ClientEvent> {
        self.events.lock().unwrap().clone()
    }

    /// What the agent has said so far, one text for each turn.
    pub fn said(&self) -> Vec<String> {
        let mut said: Vec<(String, String)> = Vec::new();
        for event in self.events() {
            let Some(client_event::Event::TextChunk(chunk)) = event.event else { continue };
            match said.last_mut() {
                Some((turn, text)) if *turn == event.turn_id => text.push_str(&chunk.text),
                _ => said.push((event.turn_id, chunk.text)),
            }
        }
        said.into_iter().map(|(_, text)| text).collect()
    }

    pub async fn reads(&self, sentence: &str) {
        let has = || async { self.said().iter().any(|said| said == sentence) };
        eventually(&format!("the agent says {sentence:?}"), 30, has).await;
    }

    pub async fn write(&self, text: &str) {
        let options = StreamTextOptions { topic: CHAT_TOPIC.to_owned(), ..StreamTextOptions::default() };
        self.room.local_participant().send_text(text, options).await.unwrap();
    }

    pub async fn leave(self) {
        self.room.close().await;
    }
}

async fn echo(voice: RemoteAudioTrack, microphone: NativeAudioSource) {
    let mut heard = NativeAudioStream::new(&voice, RATE_HZ, 1, 10).unwrap();
    let mut in_the_air = VecDeque::from(vec![0; (ECHO_MS * RATE_HZ / 1000) as usize]);
    while let Some(frame) = heard.next().await {
        in_the_air.extend(frame.data.iter().map(|&sample| (f32::from(sample) * ECHO_GAIN) as i16));
        let returning = in_the_air.drain(..frame.data.len()).collect();
        if microphone.capture_frame(&AudioFrame::mono(returning, RATE_HZ)).await.is_err() {
            return;
        }
    }
}
