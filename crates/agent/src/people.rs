//! The people in a room, each with a lane while their microphone is on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aether_livekit::{
    NativeAudioStream, ParticipantIdentity, RemoteAudioTrack, RemoteParticipant, TextStreamReader, TrackSid,
};
use aether_proto::{AgentState, PersonId};
use aether_turn::floor::Phase;
use aether_voice::lane::{Frame, LaneInput};
use aether_voice::media::SAMPLE_RATE_HZ;
use aether_voice::session::{Guest, Handle, OpenTurn};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::echo::EchoFilter;
use crate::far_end::FarEnd;
use crate::greeting::{Greeter, RETURN, RETURN_TO_ANSWER};
use crate::likeness::EchoDetector;
use crate::pace::Pace;
use crate::stage::Stage;

/// Longest accepted message, in bytes: more than a language model that runs at home reads at once.
pub(crate) const LONGEST_TEXT: usize = 64 << 10;
const TOO_LONG: &str = "Sorry, that is too long for me to read. Please send it in parts.";
/// Messages of one person that may wait to be read, and how long one may take to come.
const CHATS: usize = 8;
const CHAT_LIMIT: Duration = Duration::from_secs(30);
/// Somebody whose connection breaks comes back within seconds; until then the room is not empty.
const EMPTY_GRACE: Duration = Duration::from_secs(5);
/// A room is made for a person who is about to join; their devices may ask them for permission first.
const ARRIVAL_GRACE: Duration = Duration::from_secs(30);

pub(crate) struct People {
    session: Handle,
    stage: Arc<Stage>,
    greeter: Greeter,
    here: HashMap<ParticipantIdentity, Person>,
    present: watch::Sender<Presence>,
    /// When a room without people is given up.
    empty_at: Option<Instant>,
    /// What is to be said once somebody is here to hear it.
    returning: Option<Return>,
    cancels_echo: bool,
}

/// Who is here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presence {
    pub guests: Vec<Guest>,
    /// Ids of the persons who were greeted, here or not.
    pub greeted: Vec<String>,
}

impl Presence {
    /// Ids of the persons who are here, each once.
    pub(crate) fn people(&self) -> Vec<String> {
        let people: BTreeSet<&PersonId> = self.guests.iter().map(|guest| &guest.person).collect();
        people.into_iter().map(ToString::to_string).collect()
    }

    pub(crate) fn identities(&self) -> Vec<String> {
        self.guests.iter().map(|guest| guest.participant.identity.clone()).collect()
    }
}

/// The agent comes back to people who lost theirs, perhaps in the middle of an answer.
struct Return {
    unanswered: Option<OpenTurn>,
}

struct Person {
    guest: Guest,
    microphone: Option<Microphone>,
    /// One after the other, so that messages keep their order.
    chats: mpsc::Sender<TextStreamReader>,
}

struct Microphone {
    track: TrackSid,
    /// Ends the lane.
    closed: CancellationToken,
}

impl People {
    pub(crate) fn new(session: Handle, stage: Arc<Stage>, greeter: Greeter, cancels_echo: bool) -> Self {
        let empty_at = Some(Instant::now() + ARRIVAL_GRACE);
        let present = watch::Sender::default();
        Self { session, stage, greeter, here: HashMap::new(), present, empty_at, returning: None, cancels_echo }
    }

    /// Who is here, as it changes.
    pub(crate) fn present(&self) -> watch::Receiver<Presence> {
        self.present.subscribe()
    }

    pub(crate) fn are_here(&self) -> bool {
        !self.here.is_empty()
    }

    pub(crate) async fn arrived(&mut self, participant: &RemoteParticipant, guest: Option<Guest>) {
        if !participant.kind().is_person() || self.here.contains_key(participant.identity()) {
            return;
        }
        let Some(guest) = guest else {
            return tracing::warn!("somebody whose identity can't be a person's is not listened to");
        };
        self.empty_at = None;
        // A session that has ended greets nobody, and the visit ends with it.
        let _ = self.session.arrived(guest.clone()).await;
        let (chats, messages) = mpsc::channel(CHATS);
        tokio::spawn(read_chats(messages, self.session.clone(), guest.clone()).in_current_span());
        let welcome = self.greeter.welcome(&guest);
        self.here.insert(participant.identity().clone(), Person { guest, microphone: None, chats });
        self.show_present();
        self.say_return().await;
        match welcome {
            Some(welcome) => drop(self.session.announce(welcome).await),
            // Greeted before: this person is listened to at once.
            None if *self.session.phase().borrow() == Phase::Listening => {
                self.stage.set_state(AgentState::Listening).await;
            }
            None => {}
        }
    }

    /// Tells those who are here that the agent is back, and answers what was left open. Where nobody is here, they are told
    /// when they come.
    pub(crate) async fn come_back(&mut self, unanswered: Option<OpenTurn>) {
        self.returning = Some(Return { unanswered });
        self.say_return().await;
    }

    async fn say_return(&mut self) {
        if self.here.is_empty() {
            return;
        }
        let Some(Return { unanswered }) = self.returning.take() else { return };
        let asker = unanswered.as_ref().and_then(|open| self.same_person(&open.guest));
        let words = if asker.is_some() { RETURN_TO_ANSWER } else { RETURN };
        let _ = self.session.announce(words.to_owned()).await;
        if let Some(open) = unanswered {
            let guest = asker.unwrap_or_else(|| open.guest.clone());
            let _ = self.session.take_up(OpenTurn { guest, ..open }).await;
        }
    }

    /// Who is here under this identity, or as this person under another.
    fn same_person(&self, guest: &Guest) -> Option<Guest> {
        let here = || self.here.values().map(|person| &person.guest);
        let same = here().find(|one| one.participant.identity == guest.participant.identity);
        same.or_else(|| here().find(|one| one.person == guest.person)).cloned()
    }

    pub(crate) async fn left(&mut self, identity: &ParticipantIdentity) {
        // Dropping the person ends their lane.
        if self.here.remove(identity).is_none() {
            return;
        }
        if self.here.is_empty() {
            self.empty_at = Some(Instant::now() + EMPTY_GRACE);
        }
        let _ = self.session.left(identity.as_str().to_owned()).await;
        self.stage.forget_microphone(identity);
        self.show_present();
    }

    /// A microphone was opened.
    pub(crate) async fn speaks(&mut self, participant: &RemoteParticipant, track: &RemoteAudioTrack) {
        let echo = self.echo_filter();
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
        let far_end = Arc::clone(self.stage.far_end());
        tokio::spawn(listen(stream, echo, far_end, lane, closed).in_current_span());
    }

    /// A microphone was closed. News about an earlier one changes nothing.
    pub(crate) fn silent(&mut self, identity: &ParticipantIdentity, track: &TrackSid) {
        if let Some(person) = self.here.get_mut(identity) {
            person.microphone.take_if(|microphone| microphone.track == *track);
        }
    }

    pub(crate) fn writes(&self, identity: &ParticipantIdentity, reader: TextStreamReader) {
        let Some(person) = self.here.get(identity) else { return };
        if person.chats.try_send(reader).is_err() {
            tracing::warn!(limit = CHATS, "too many messages are being written at once; one was ignored");
        }
    }

    /// Resolves when nobody has been here for long enough.
    pub(crate) async fn all_gone(&self) {
        match self.empty_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// A microphone is better heard with echo than not at all.
    fn echo_filter(&mut self) -> Option<EchoFilter> {
        if !self.cancels_echo {
            return None;
        }
        match EchoFilter::new(Arc::clone(self.stage.far_end())) {
            Ok(filter) => Some(filter),
            Err(error) => {
                tracing::warn!(%error, "echo is not cancelled in this room");
                self.cancels_echo = false;
                None
            }
        }
    }

    fn show_present(&self) {
        let guests = self.here.values().map(|person| person.guest.clone()).collect();
        self.present.send_replace(Presence { guests, greeted: self.greeter.greeted() });
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// Carries one microphone into its lane. Dropping the lane tells the session that no more will come.
async fn listen(
    mut stream: NativeAudioStream,
    mut echo: Option<EchoFilter>,
    far_end: Arc<FarEnd>,
    lane: LaneInput,
    closed: CancellationToken,
) {
    let mut pace = Pace::new();
    let mut detector = EchoDetector::new(Arc::clone(&far_end));
    while let Some(Some(mut frame)) = closed.run_until_cancelled(stream.next()).await {
        let tick = pace.next(far_end.tick(std::time::Instant::now()));
        if let Some(filter) = &mut echo
            && let Err(error) = filter.clean(&mut frame.data, tick)
        {
            tracing::warn!(%error, "echo is not cancelled in this microphone any more");
            echo = None;
        }
        let is_echo = detector.is_echo(&frame.data, tick);
        lane.push(Frame { samples: frame.data, is_echo });
    }
}

/// Reads what one person writes, message after message.
async fn read_chats(mut messages: mpsc::Receiver<TextStreamReader>, session: Handle, guest: Guest) {
    while let Some(reader) = messages.recv().await {
        match timeout(CHAT_LIMIT, read_chat(reader)).await {
            // A session that has ended answers nobody.
            Ok(Message::Text(text)) => drop(session.typed(guest.clone(), text).await),
            Ok(Message::TooLong) => drop(session.announce(TOO_LONG.to_owned()).await),
            Ok(Message::Nothing) => {}
            Err(_) => tracing::warn!(limit = ?CHAT_LIMIT, "a typed message was never finished"),
        }
    }
}

enum Message {
    Text(String),
    TooLong,
    Nothing,
}

async fn read_chat(mut reader: TextStreamReader) -> Message {
    let mut text = String::new();
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => text.push_str(&piece),
            Err(error) => {
                tracing::warn!(%error, "a typed message broke off");
                return Message::Nothing;
            }
        }
        if text.len() > LONGEST_TEXT {
            return Message::TooLong;
        }
    }
    match text.trim() {
        "" => Message::Nothing,
        text => Message::Text(text.to_owned()),
    }
}
