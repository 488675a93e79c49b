//! Somebody in the room who reads what happens there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aether_livekit::token::{self, Grant};
use aether_livekit::well_known::{CHAT_TOPIC, EVENTS_TOPIC, PERSON_ATTRIBUTE};
use aether_livekit::{Room, RoomEvent, RoomOptions, StreamTextOptions};
use aether_proto::{ClientEvent, client_event};
use aether_testkit::eventually;

use crate::hall::{Hall, room};

pub struct Visitor {
    room: Room,
    events: Arc<Mutex<Vec<ClientEvent>>>,
}

impl Visitor {
    /// Comes as `<person>-<device>`, under a name that may be empty.
    pub async fn come(hall: &Hall, person: &str, device: &str, name: &str) -> Self {
        let mut grant = Grant::new(room(), format!("{person}-{device}"));
        grant.name = name.to_owned();
        grant.attributes = HashMap::from([(PERSON_ATTRIBUTE.to_owned(), person.to_owned())]);
        let token = token::person(&hall.key(), grant).unwrap();
        let (room, mut happening) = Room::connect(&hall.livekit.url, &token, RoomOptions::default()).await.unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = happening.recv().await {
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
