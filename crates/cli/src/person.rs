//! A person in a room, played by this program: joins through LiveKit like any client, speaks samples in real time, hears the
//! agent and reads the client events.
//!
//! There are two ways to use a [`Person`]. [`ask`](Person::ask) and its kin follow one turn to its end. Who measures takes
//! [`utter`](Person::utter) and [`perceive`](Person::perceive) instead: each frame and each event with its time, in order.

mod echo;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aether_audio::{FRAME_MS, ROOM_HZ, level, samples_in_ms};
use aether_livekit::well_known::{
    AGENT_STATE_ATTRIBUTE, CHAT_TOPIC, EVENTS_TOPIC, SEGMENT_ID_ATTRIBUTE, TRANSCRIPTION_FINAL_ATTRIBUTE,
    TRANSCRIPTION_TOPIC,
};
use aether_livekit::{
    AudioFrame, LocalAudioTrack, NativeAudioSource, NativeAudioStream, ParticipantKind, RemoteTrack, Room, RoomEvent,
    RoomOptions, StreamTextOptions, TextStreamReader, TrackPublishOptions,
};
use aether_proto::{AgentState, ClientEvent, client_event};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::echo::Echo;
use crate::Error;

/// What counts as sound, on both sides of the measurement.
pub const AUDIBLE_DBFS: f32 = -45.0;
/// Short, because it is part of what is measured.
const MICROPHONE_QUEUE_MS: u32 = 10;
/// Silence kept after the last audible frame of an answer.
const TAIL: Duration = Duration::from_millis(300);

/// What came of one question.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// What the agent understood.
    pub heard: String,
    pub answer: String,
    pub turn_id: String,
    pub metrics: aether_proto::TurnMetrics,
    /// From the last audible sample that left the microphone to the first audible frame that came back.
    pub total: Option<Duration>,
    /// 48 kHz mono, from the first audible frame on.
    pub audio: Vec<i16>,
    /// `completed`, `interrupted` or `error`.
    pub end: String,
    /// An answer was stopped because somebody spoke over it.
    pub interrupted: bool,
    /// What the agent reported on the way.
    pub notices: Vec<String>,
}

/// What the room brought, and when it arrived.
#[derive(Debug)]
pub enum Perceived {
    /// 10 ms of the agent's sound, 48 kHz mono.
    Sound {
        at: Instant,
        frame: Vec<i16>,
    },
    Event {
        at: Instant,
        event: Box<ClientEvent>,
    },
}

/// When each frame of 10 ms of something that was said left the microphone; arrives when the last one has.
pub type Departures = oneshot::Receiver<Vec<Instant>>;

/// What the microphone is to take next.
struct Speech {
    samples: Vec<i16>,
    departures: oneshot::Sender<Vec<Instant>>,
}

/// Somebody who is in a room and whose microphone is on.
pub struct Person {
    room: Room,
    speech: mpsc::Sender<Speech>,
    /// When the last audible frame of what was said had left the microphone.
    last_spoken: Arc<watch::Sender<Option<Instant>>>,
    sound: mpsc::Receiver<(Instant, Vec<i16>)>,
    events: mpsc::Receiver<(Instant, ClientEvent)>,
    captions: mpsc::Receiver<(String, String)>,
    /// While it is there, what is heard returns into the microphone.
    echo: Arc<Mutex<Option<Echo>>>,
    identity: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Person {
    /// Joins and waits until the agent is there and listens to us.
    pub async fn join(url: &str, token: &str, patience: Duration) -> Result<Self, Error> {
        let failed = |error: aether_livekit::Error| Error::Input(format!("the room can't be joined: {error}"));
        let (room, room_events) = Room::connect(url, token, RoomOptions::default()).await.map_err(failed)?;
        let source = NativeAudioSource::new(ROOM_HZ, 1, MICROPHONE_QUEUE_MS).map_err(failed)?;
        let track = LocalAudioTrack::create_audio_track("microphone", &source).map_err(failed)?;
        // Without discontinuous transmission: silence is sent as silence, as the measurement needs it.
        let options = TrackPublishOptions { dtx: false, ..TrackPublishOptions::default() };
        room.local_participant().publish_track(&track, options).await.map_err(failed)?;

        let (speech, speech_in) = mpsc::channel(1);
        let last_spoken = Arc::new(watch::Sender::new(None));
        let (sound_out, sound) = mpsc::channel(6_000);
        let (events_out, events) = mpsc::channel(4_096);
        let (captions_out, captions) = mpsc::channel(256);
        let echo = Arc::default();
        let identity = room.local_participant().identity().as_str().to_owned();
        let tasks = vec![
            tokio::spawn(microphone(source, speech_in, Arc::clone(&last_spoken), Arc::clone(&echo))),
            tokio::spawn(ears(room_events, sound_out, events_out, captions_out, Arc::clone(&echo))),
        ];
        let mut person = Self { room, speech, last_spoken, sound, events, captions, echo, identity, tasks };
        match timeout(patience, person.agent_listens()).await {
            Ok(Ok(())) => Ok(person),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Input(format!(
                "no agent came and listened within {} s: look at `aether status` and at the agent's log",
                patience.as_secs()
            ))),
        }
    }

    /// Waits until the agent has greeted and listens.
    async fn agent_listens(&mut self) -> Result<(), Error> {
        loop {
            let present =
                self.room.remote_participants().into_values().find(|one| one.kind() == ParticipantKind::Agent);
            let state = present.and_then(|agent| agent.attribute(AGENT_STATE_ATTRIBUTE));
            if state.as_deref() == Some("listening") {
                return Ok(());
            }
            // Every change of the agent's state is also an event.
            if timeout(Duration::from_millis(200), self.events.recv()).await.is_ok_and(|event| event.is_none()) {
                return Err(left());
            }
        }
    }

    /// Says something and returns what came back, at most after `patience`.
    pub async fn ask(&mut self, samples: Vec<i16>, patience: Duration) -> Result<Exchange, Error> {
        while self.events.try_recv().is_ok() {}
        self.speak(samples).await?;
        self.outcome(patience).await
    }

    /// Writes something instead of saying it, and returns what came back.
    pub async fn write(&mut self, text: &str, patience: Duration) -> Result<Exchange, Error> {
        while self.events.try_recv().is_ok() {}
        while self.sound.try_recv().is_ok() {}
        // What is heard from now on is heard after it was written.
        self.last_spoken.send_replace(Some(Instant::now()));
        let options = StreamTextOptions { topic: CHAT_TOPIC.to_owned(), ..StreamTextOptions::default() };
        let sent = self.room.local_participant().send_text(text, options).await;
        sent.map_err(|error| Error::Input(format!("the message was not sent: {error}")))?;
        self.follow_to_the_end(Exchange { heard: text.to_owned(), ..Exchange::default() }, patience).await
    }

    /// Captions since the last look, final ones only: the segment and its words.
    pub fn captions(&mut self) -> Vec<(String, String)> {
        std::iter::from_fn(|| self.captions.try_recv().ok()).collect()
    }

    /// Begins to say something. Returns when the microphone has taken it over, not when it has been said.
    pub async fn speak(&mut self, samples: Vec<i16>) -> Result<(), Error> {
        while self.sound.try_recv().is_ok() {}
        self.last_spoken.send_replace(None);
        self.utter(samples).await.map(drop)
    }

    /// The same, and forgets nothing of what is heard meanwhile.
    pub async fn utter(&mut self, samples: Vec<i16>) -> Result<Departures, Error> {
        let (departures, departed) = oneshot::channel();
        self.speech.send(Speech { samples, departures }).await.map_err(|_| left())?;
        Ok(departed)
    }

    /// Waits for the next thing that the room brings. Cancel-safe: nothing is lost when it is dropped.
    pub async fn perceive(&mut self) -> Result<Perceived, Error> {
        tokio::select! {
            event = self.events.recv() => {
                let (at, event) = event.ok_or_else(left)?;
                Ok(Perceived::Event { at, event: Box::new(event) })
            }
            sound = self.sound.recv() => {
                let (at, frame) = sound.ok_or_else(left)?;
                Ok(Perceived::Sound { at, frame })
            }
        }
    }

    /// From now on the agent's voice returns into the microphone 15 dB quieter and 120 ms late, or no longer does.
    pub fn set_echo(&self, on: bool) {
        *lock(&self.echo) = on.then(Echo::new);
    }

    /// By which the room knows this participant.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Waits until the agent can be heard after what was said last.
    pub async fn until_audible(&mut self, patience: Duration) -> Result<(), Error> {
        let mut exchange = Exchange::default();
        let audible = async {
            while exchange.total.is_none() {
                let (at, frame) = self.sound.recv().await.ok_or_else(left)?;
                self.hear(at, frame, &mut exchange);
            }
            Ok(())
        };
        timeout(patience, audible)
            .await
            .unwrap_or_else(|_| Err(Error::Input(format!("the agent was not heard within {} s", patience.as_secs()))))
    }

    /// Waits until an agent has said something by itself and listens again.
    pub async fn until_greeted(&mut self, patience: Duration) -> Result<(), Error> {
        let greeted = async {
            let mut spoke = false;
            loop {
                let (_, event) = self.events.recv().await.ok_or_else(left)?;
                let Some(client_event::Event::AgentState(state)) = event.event else { continue };
                match state.state() {
                    AgentState::Speaking => spoke = true,
                    AgentState::Listening if spoke => return Ok(()),
                    _ => {}
                }
            }
        };
        timeout(patience, greeted)
            .await
            .unwrap_or_else(|_| Err(Error::Input(format!("no agent said anything within {} s", patience.as_secs()))))
    }

    /// Follows the turn under way to its end.
    pub async fn outcome(&mut self, patience: Duration) -> Result<Exchange, Error> {
        self.follow_to_the_end(Exchange::default(), patience).await
    }

    async fn follow_to_the_end(&mut self, mut exchange: Exchange, patience: Duration) -> Result<Exchange, Error> {
        timeout(patience, self.follow(&mut exchange)).await.map_err(|_| {
            let so_far =
                if exchange.heard.is_empty() { "nothing was understood" } else { "the question was understood" };
            Error::Input(format!("no complete answer within {} s ({so_far})", patience.as_secs()))
        })??;
        self.hear_out(&mut exchange).await;
        Ok(exchange)
    }

    async fn follow(&mut self, exchange: &mut Exchange) -> Result<(), Error> {
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    let (_, event) = event.ok_or_else(left)?;
                    if self.take(event, exchange) {
                        return Ok(());
                    }
                }
                sound = self.sound.recv() => {
                    let (at, frame) = sound.ok_or_else(left)?;
                    self.hear(at, frame, exchange);
                }
            }
        }
    }

    /// The answer's end is known before its last frames have arrived.
    async fn hear_out(&mut self, exchange: &mut Exchange) {
        let most_silent = TAIL.as_millis() / u128::from(FRAME_MS);
        let mut silent = 0;
        while silent < most_silent
            && let Ok(Some((at, frame))) = timeout(TAIL, self.sound.recv()).await
        {
            silent = if audible(&frame) { 0 } else { silent + 1 };
            self.hear(at, frame, exchange);
        }
    }

    fn hear(&self, at: Instant, frame: Vec<i16>, exchange: &mut Exchange) {
        let Some(spoken) = *self.last_spoken.borrow() else { return };
        if exchange.total.is_none() {
            if !audible(&frame) || at <= spoken {
                return;
            }
            exchange.total = Some(at - spoken);
        }
        exchange.audio.extend(frame);
    }

    /// True when the turn is over.
    fn take(&self, event: ClientEvent, exchange: &mut Exchange) -> bool {
        match event.event {
            Some(client_event::Event::Transcript(transcript))
                if transcript.r#final && !transcript.text.is_empty() && transcript.speaker == self.identity =>
            {
                exchange.heard = join_words(&exchange.heard, &transcript.text);
            }
            Some(client_event::Event::TextChunk(chunk)) => {
                // An answer to the first half of a question that was interrupted by the second is no answer.
                if exchange.turn_id != event.turn_id {
                    exchange.turn_id = event.turn_id;
                    exchange.answer.clear();
                }
                exchange.answer.push_str(&chunk.text);
            }
            Some(client_event::Event::TurnMetrics(metrics)) if exchange.turn_id == event.turn_id => {
                exchange.metrics = metrics;
            }
            Some(client_event::Event::Interrupted(_)) => exchange.interrupted = true,
            Some(client_event::Event::Status(status)) => exchange.notices.push(status.message),
            Some(client_event::Event::Error(error)) => {
                exchange.notices.push(error.to_string());
                exchange.end = "error".to_owned();
            }
            Some(client_event::Event::StreamEnd(end)) if end.reason == "completed" => {
                if exchange.end.is_empty() {
                    exchange.end = end.reason;
                }
                return !exchange.heard.is_empty();
            }
            Some(client_event::Event::AgentState(state)) => {
                // After an error the apology, if it can be spoken at all, ends in listening.
                return exchange.end == "error" && state.state() == AgentState::Listening;
            }
            _ => {}
        }
        false
    }

    /// Leaves the room.
    pub async fn leave(self) {
        self.room.close().await;
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Sends silence, and in it what is to be said, at the pace of the source.
async fn microphone(
    source: NativeAudioSource,
    mut speech: mpsc::Receiver<Speech>,
    spoken: Arc<watch::Sender<Option<Instant>>>,
    echo: Arc<Mutex<Option<Echo>>>,
) {
    let frame_samples = samples_in_ms(ROOM_HZ, 10);
    let silence = vec![0; frame_samples];
    loop {
        match speech.try_recv() {
            Err(mpsc::error::TryRecvError::Empty) => {
                if capture(&source, &silence, &echo).await.is_err() {
                    return;
                }
            }
            Err(mpsc::error::TryRecvError::Disconnected) => return,
            Ok(Speech { samples, departures }) => {
                let (mut last, mut left_at) = (None, Vec::new());
                for frame in samples.chunks(frame_samples) {
                    if capture(&source, frame, &echo).await.is_err() {
                        return;
                    }
                    let now = Instant::now();
                    left_at.push(now);
                    if audible(frame) {
                        last = Some(now);
                    }
                }
                spoken.send_replace(last.or_else(|| Some(Instant::now())));
                // Not everybody wants to know.
                let _ = departures.send(left_at);
            }
        }
    }
}

async fn capture(
    source: &NativeAudioSource,
    frame: &[i16],
    echo: &Mutex<Option<Echo>>,
) -> Result<(), aether_livekit::Error> {
    let frame = lock(echo).as_mut().map_or_else(|| frame.to_vec(), |echo| echo.mixed_into(frame));
    source.capture_frame(&AudioFrame::mono(frame, ROOM_HZ)).await
}

/// Takes what the room brings: the agent's sound and its client events.
async fn ears(
    mut room: mpsc::Receiver<RoomEvent>,
    sound: mpsc::Sender<(Instant, Vec<i16>)>,
    events: mpsc::Sender<(Instant, ClientEvent)>,
    captions: mpsc::Sender<(String, String)>,
    echo: Arc<Mutex<Option<Echo>>>,
) {
    while let Some(event) = room.recv().await {
        match event {
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), participant, .. }
                if participant.kind() == ParticipantKind::Agent =>
            {
                let Ok(mut stream) = NativeAudioStream::new(&track, ROOM_HZ, 1, 10) else { continue };
                let (sound, echo) = (sound.clone(), Arc::clone(&echo));
                tokio::spawn(async move {
                    while let Some(frame) = stream.next().await {
                        if let Some(echo) = lock(&echo).as_mut() {
                            echo.heard(&frame.data);
                        }
                        if sound.send((Instant::now(), frame.data)).await.is_err() {
                            return;
                        }
                    }
                });
            }
            RoomEvent::TextStreamOpened { mut reader, topic, .. } if topic == TRANSCRIPTION_TOPIC => {
                let attribute = |reader: &TextStreamReader, name| reader.info().attributes.get(name).cloned();
                let segment = attribute(&reader, SEGMENT_ID_ATTRIBUTE).unwrap_or_default();
                let captions = captions.clone();
                tokio::spawn(async move {
                    let mut text = String::new();
                    while let Some(Ok(piece)) = reader.next().await {
                        text.push_str(&piece);
                    }
                    if attribute(&reader, TRANSCRIPTION_FINAL_ATTRIBUTE).as_deref() == Some("true") {
                        // Captions that nobody looks at are dropped.
                        let _ = captions.try_send((segment, text));
                    }
                });
            }
            RoomEvent::DataReceived { payload, topic: Some(topic), .. } if topic == EVENTS_TOPIC => {
                // An event that this version can't read is for a newer one.
                if let Ok(event) = serde_json::from_slice(&payload)
                    && events.send((Instant::now(), event)).await.is_err()
                {
                    return;
                }
            }
            RoomEvent::Disconnected { .. } => return,
            _ => {}
        }
    }
}

fn lock(echo: &Mutex<Option<Echo>>) -> MutexGuard<'_, Option<Echo>> {
    echo.lock().unwrap_or_else(PoisonError::into_inner)
}

fn audible(frame: &[i16]) -> bool {
    level::rms_dbfs_pcm16(frame) > AUDIBLE_DBFS
}

fn join_words(before: &str, after: &str) -> String {
    if before.is_empty() { after.to_owned() } else { format!("{before} {after}") }
}

fn left() -> Error {
    Error::Input("the room was closed, or the connection to it was lost".to_owned())
}
