//! The people in a room, each with a lane while their microphone is on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aether_livekit::{
    NativeAudioStream, ParticipantIdentity, ParticipantKind, RemoteAudioTrack, RemoteParticipant, TextStreamReader,
    TrackSid,
};
use aether_turn::floor::Phase;
use aether_voice::lane::LaneInput;
use aether_voice::media::SAMPLE_RATE_HZ;
use aether_voice::session::{Guest, Handle};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;

/// Longest accepted typed message, in bytes.
const LONGEST_CHAT: usize = 16 << 10;
/// Messages that are being written to the agent at the same time, and how long one may take.
const CHATS: usize = 8;
const CHAT_LIMIT: Duration = Duration::from_secs(30);
/// Somebody whose connection breaks comes back within seconds; until then the room is not empty.
const EMPTY_GRACE: Duration = Duration::from_secs(5);
/// A room is made for a person who is about to join; their devices may ask them for permission first.
const ARRIVAL_GRACE: Duration = Duration::from_secs(30);

pub(crate) struct People {
    session: Handle,
    stage: Arc<Stage>,
    /// Said to the first person who comes.
    greeting: Option<String>,
    here: HashMap<ParticipantIdentity, Person>,
    present: watch::Sender<Vec<String>>,
    chats: Arc<Semaphore>,
    /// When a room without people is given up.
    empty_at: Option<Instant>,
}

struct Person {
    guest: Guest,
    microphone: Option<Microphone>,
}

struct Microphone {
    track: TrackSid,
    /// Ends the lane.
    closed: CancellationToken,
}

impl People {
    pub(crate) fn new(session: Handle, stage: Arc<Stage>, greeting: Option<String>) -> Self {
        let empty_at = Some(Instant::now() + ARRIVAL_GRACE);
        Self {
            session,
            stage,
            greeting,
            here: HashMap::new(),
            present: watch::Sender::default(),
            chats: Arc::new(Semaphore::new(CHATS)),
            empty_at,
        }
    }

    /// Who is here, as it changes.
    pub(crate) fn present(&self) -> watch::Receiver<Vec<String>> {
        self.present.subscribe()
    }

    pub(crate) async fn arrived(&mut self, participant: &RemoteParticipant, guest: Option<Guest>) {
        if !is_person(participant.kind()) || self.here.contains_key(participant.identity()) {
            return;
        }
        let Some(guest) = guest else {
            return tracing::warn!("somebody whose identity can't be a person's is not listened to");
        };
        self.empty_at = None;
        self.here.insert(participant.identity().clone(), Person { guest, microphone: None });
        self.show_present();
        match self.greeting.take() {
            Some(greeting) => {
                if let Err(error) = self.session.say(greeting).await {
                    tracing::info!(%error, "no greeting");
                }
            }
            // Greeted before, or there is nothing to say: this person is listened to at once.
            None if *self.session.phase().borrow() == Phase::Listening => self.stage.set_state("listening").await,
            None => {}
        }
    }

    pub(crate) fn left(&mut self, identity: &ParticipantIdentity) {
        // Dropping the person ends their lane.
        if self.here.remove(identity).is_some() && self.here.is_empty() {
            self.empty_at = Some(Instant::now() + EMPTY_GRACE);
        }
        self.show_present();
    }

    /// A microphone was opened.
    pub(crate) async fn speaks(&mut self, participant: &RemoteParticipant, track: &RemoteAudioTrack) {
        let Some(person) = self.here.get_mut(participant.identity()) else { return };
        let stream = match NativeAudioStream::new(track, SAMPLE_RATE_HZ, 1, 10) {
            Ok(stream) => stream,
            Err(error) => return tracing::error!(%error, "a microphone can't be listened to"),
        };
        let Ok(lane) = self.session.listen(person.guest.clone()).await else { return };
        self.stage.set_microphone(participant.identity(), track.sid().clone());
        let closed = CancellationToken::new();
        // Replaces, and so ends, the lane of an earlier track.
        person.microphone = Some(Microphone { track: track.sid().clone(), closed: closed.clone() });
        tokio::spawn(listen(stream, lane, closed));
    }

    /// A microphone was closed. News about an earlier one changes nothing.
    pub(crate) fn silent(&mut self, identity: &ParticipantIdentity, track: &TrackSid) {
        if let Some(person) = self.here.get_mut(identity) {
            person.microphone.take_if(|microphone| microphone.track == *track);
        }
    }

    pub(crate) fn writes(&self, identity: &ParticipantIdentity, reader: TextStreamReader) {
        let Some(person) = self.here.get(identity) else { return };
        let Ok(place) = Arc::clone(&self.chats).try_acquire_owned() else {
            return tracing::warn!(limit = CHATS, "too many messages are being written at once; one was ignored");
        };
        let chat = read_chat(reader, self.session.clone(), person.guest.clone());
        tokio::spawn(async move {
            let _place = place;
            if timeout(CHAT_LIMIT, chat).await.is_err() {
                tracing::warn!(limit = ?CHAT_LIMIT, "a typed message was never finished");
            }
        });
    }

    /// Resolves when nobody has been here for long enough.
    pub(crate) async fn all_gone(&self) {
        match self.empty_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn show_present(&self) {
        let identities = self.here.keys().map(|identity| identity.as_str().to_owned());
        self.present.send_replace(identities.collect());
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// Carries one microphone into its lane. Dropping the lane tells the session that no more will come.
async fn listen(mut stream: NativeAudioStream, lane: LaneInput, closed: CancellationToken) {
    while let Some(Some(frame)) = closed.run_until_cancelled(stream.next()).await {
        lane.push(frame.data);
    }
}

/// Reads what a person writes, up to a limit.
async fn read_chat(mut reader: TextStreamReader, session: Handle, guest: Guest) {
    let mut text = String::new();
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => text.push_str(&piece),
            Err(error) => return tracing::warn!(%error, "a typed message broke off"),
        }
        if text.len() > LONGEST_CHAT {
            return tracing::warn!(limit = LONGEST_CHAT, "a typed message is too long and was ignored");
        }
    }
    let text = text.trim();
    if !text.is_empty() {
        // A session that has ended answers nobody.
        let _ = session.typed(guest, text.to_owned()).await;
    }
}

/// A human being, rather than an agent or a recorder.
pub(crate) const fn is_person(kind: ParticipantKind) -> bool {
    matches!(kind, ParticipantKind::Standard | ParticipantKind::Sip)
}
