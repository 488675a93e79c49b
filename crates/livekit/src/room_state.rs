//! What we know about a room, kept up to date by its events and turned into ours.
//!
//! Runs on the library's dispatcher thread. Every handle that arrives is either kept in something that owns it or given back
//! here; events about participants or tracks that are gone already are dropped.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use crate::ffi::wire::{self, room_event::Message};
use crate::ffi::{self, Handle, RoomEvents, Runtime};
use crate::{
    DataPacketKind, DisconnectReason, Error, LocalTrackPublication, ParticipantIdentity, RemoteParticipant,
    RemoteTrack, RemoteTrackPublication, RoomEvent, TextStreamReader, TrackSid,
};

#[derive(Debug)]
pub(crate) struct RoomState {
    runtime: &'static Runtime,
    closed: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    participants: HashMap<ParticipantIdentity, RemoteParticipant>,
    local_publications: HashMap<TrackSid, LocalTrackPublication>,
    /// Gone after the last event.
    events: Option<mpsc::Sender<RoomEvent>>,
}

impl RoomState {
    pub(crate) fn new(
        runtime: &'static Runtime,
        participants: Vec<wire::connect_callback::ParticipantWithTracks>,
        events: mpsc::Sender<RoomEvent>,
    ) -> Self {
        let participants = participants
            .into_iter()
            .map(|entry| {
                drop(Handle::new(runtime, entry.participant.handle));
                let participant = RemoteParticipant::new(entry.participant.info);
                for publication in entry.publications {
                    let handle = Handle::new(runtime, publication.handle);
                    participant.add_publication(RemoteTrackPublication::new(handle, publication.info));
                }
                (participant.identity().clone(), participant)
            })
            .collect();
        let inner = Inner { participants, local_publications: HashMap::new(), events: Some(events) };
        Self { runtime, closed: CancellationToken::new(), inner: Mutex::new(inner) }
    }

    /// Cancelled when we are no longer in the room.
    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(crate) fn participants(&self) -> HashMap<ParticipantIdentity, RemoteParticipant> {
        self.inner().participants.clone()
    }

    pub(crate) fn add_local_publication(&self, publication: LocalTrackPublication) {
        let mut inner = self.inner();
        if inner.events.is_some() {
            inner.local_publications.insert(publication.sid(), publication);
        }
    }

    pub(crate) fn remove_local_publication(&self, sid: &TrackSid) {
        let removed = self.inner().local_publications.remove(sid);
        drop(removed);
    }

    /// We are out: tells so as the last event, ends every stream and lets everything go.
    pub(crate) fn leave(&self, reason: DisconnectReason) {
        self.closed.cancel();
        let (participants, publications) = {
            let mut inner = self.inner();
            if let Some(events) = inner.events.take() {
                // When the receiver is full or gone, the end of the channel says the same.
                let _ = events.try_send(RoomEvent::Disconnected { reason });
            }
            (std::mem::take(&mut inner.participants), std::mem::take(&mut inner.local_publications))
        };
        for participant in participants.values() {
            participant.leave(None);
        }
        drop(publications);
    }

    fn translate(&self, message: Message) -> Option<RoomEvent> {
        match message {
            Message::ParticipantConnected(event) => {
                drop(Handle::new(self.runtime, event.info.handle));
                let participant = RemoteParticipant::new(event.info.info);
                let replaced = self.inner().participants.insert(participant.identity().clone(), participant.clone());
                if let Some(ghost) = replaced {
                    ghost.leave(Some(DisconnectReason::DuplicateIdentity));
                }
                Some(RoomEvent::ParticipantConnected(participant))
            }
            Message::ParticipantDisconnected(event) => {
                let reason = event.disconnect_reason().into();
                let participant = self.inner().participants.remove(&event.participant_identity.into())?;
                participant.leave(Some(reason));
                Some(RoomEvent::ParticipantDisconnected(participant))
            }
            Message::TrackPublished(event) => {
                let handle = Handle::new(self.runtime, event.publication.handle);
                let participant = self.participant(event.participant_identity)?;
                let publication = RemoteTrackPublication::new(handle, event.publication.info);
                participant.add_publication(publication.clone());
                Some(RoomEvent::TrackPublished { publication, participant })
            }
            Message::TrackUnpublished(event) => {
                let participant = self.participant(event.participant_identity)?;
                let publication = participant.remove_publication(&event.publication_sid.into())?;
                publication.end_subscription();
                Some(RoomEvent::TrackUnpublished { publication, participant })
            }
            Message::TrackSubscribed(event) => {
                let handle = Handle::new(self.runtime, event.track.handle);
                let participant = self.participant(event.participant_identity)?;
                let publication = participant.publication(&event.track.info.sid.as_str().into())?;
                let track = RemoteTrack::new(handle, event.track.info, publication.begin_subscription());
                Some(RoomEvent::TrackSubscribed { track, publication, participant })
            }
            Message::TrackUnsubscribed(event) => {
                let participant = self.participant(event.participant_identity)?;
                let publication = participant.publication(&event.track_sid.into())?;
                publication.end_subscription();
                Some(RoomEvent::TrackUnsubscribed { publication, participant })
            }
            Message::TrackSubscriptionFailed(event) => Some(RoomEvent::TrackSubscriptionFailed {
                participant: self.participant(event.participant_identity)?,
                track_sid: event.track_sid.into(),
                error: event.error,
            }),
            Message::TrackMuted(event) => {
                let (participant_identity, track_sid) = self.mute(event.participant_identity, event.track_sid, true);
                Some(RoomEvent::TrackMuted { participant_identity, track_sid })
            }
            Message::TrackUnmuted(event) => {
                let (participant_identity, track_sid) = self.mute(event.participant_identity, event.track_sid, false);
                Some(RoomEvent::TrackUnmuted { participant_identity, track_sid })
            }
            Message::LocalTrackRepublished(event) => {
                let mut inner = self.inner();
                let publication = inner.local_publications.remove(&event.previous_sid.into())?;
                publication.set_sid(event.info.sid.into());
                inner.local_publications.insert(publication.sid(), publication);
                None
            }
            Message::ParticipantAttributesChanged(event) => {
                let participant_identity: ParticipantIdentity = event.participant_identity.into();
                if let Some(participant) = self.known(&participant_identity) {
                    participant.set_attributes(attributes(event.attributes));
                }
                let changed_attributes = attributes(event.changed_attributes);
                Some(RoomEvent::ParticipantAttributesChanged { participant_identity, changed_attributes })
            }
            Message::ParticipantMetadataChanged(event) => {
                let participant_identity: ParticipantIdentity = event.participant_identity.into();
                if let Some(participant) = self.known(&participant_identity) {
                    participant.set_metadata(event.metadata.clone());
                }
                Some(RoomEvent::ParticipantMetadataChanged { participant_identity, metadata: event.metadata })
            }
            Message::ParticipantNameChanged(event) => {
                let participant_identity: ParticipantIdentity = event.participant_identity.into();
                if let Some(participant) = self.known(&participant_identity) {
                    participant.set_name(event.name.clone());
                }
                Some(RoomEvent::ParticipantNameChanged { participant_identity, name: event.name })
            }
            Message::DataPacketReceived(event) => {
                let kind = match event.kind() {
                    wire::DataPacketKind::KindLossy => DataPacketKind::Lossy,
                    wire::DataPacketKind::KindReliable => DataPacketKind::Reliable,
                };
                let sender = event.participant_identity;
                let wire::data_packet_received::Value::User(packet) = event.value?;
                Some(RoomEvent::DataReceived {
                    payload: self.runtime.take_bytes(packet.data).into(),
                    topic: packet.topic.filter(|topic| !topic.is_empty()),
                    kind,
                    participant_identity: (!sender.is_empty()).then(|| sender.into()),
                })
            }
            Message::TranscriptionReceived(event) => Some(RoomEvent::TranscriptionReceived {
                participant_identity: event.participant_identity.map(ParticipantIdentity::from),
                track_sid: event.track_sid.map(TrackSid::from),
                segments: event.segments.into_iter().map(Into::into).collect(),
            }),
            Message::TextStreamOpened(event) => {
                let handle = Handle::new(self.runtime, event.reader.handle);
                Some(RoomEvent::TextStreamOpened {
                    topic: event.reader.info.topic.clone(),
                    reader: TextStreamReader::new(handle, event.reader.info, self.closed.clone()),
                    participant_identity: event.participant_identity.into(),
                })
            }
            // Not offered yet, but what they bring is ours to give back.
            Message::ByteStreamOpened(event) => {
                drop(Handle::new(self.runtime, event.reader.handle));
                None
            }
            Message::DataTrackPublished(event) => {
                drop(Handle::new(self.runtime, event.track.handle));
                None
            }
            Message::Reconnecting(_) => Some(RoomEvent::Reconnecting),
            Message::Reconnected(_) => Some(RoomEvent::Reconnected),
            Message::Disconnected(event) => {
                self.leave(event.reason().into());
                None
            }
            Message::Eos(_) => {
                self.leave(DisconnectReason::UnknownReason);
                None
            }
        }
    }

    fn mute(&self, identity: String, sid: String, muted: bool) -> (ParticipantIdentity, TrackSid) {
        let (identity, sid) = (ParticipantIdentity::from(identity), TrackSid::from(sid));
        if let Some(publication) = self.known(&identity).and_then(|participant| participant.publication(&sid)) {
            publication.set_muted(muted);
        }
        (identity, sid)
    }

    fn participant(&self, identity: String) -> Option<RemoteParticipant> {
        self.known(&identity.into())
    }

    fn known(&self, identity: &ParticipantIdentity) -> Option<RemoteParticipant> {
        self.inner().participants.get(identity).cloned()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoomEvents for RoomState {
    fn on_event(&self, message: Message) {
        let Some(event) = self.translate(message) else { return };
        let sent = match &self.inner().events {
            Some(events) => events.try_send(event),
            None => return,
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::error!("a room's events are not being taken; leaving the room");
                self.leave(DisconnectReason::EventsNotTaken);
            }
            // Whoever joined is no longer interested in events, which is allowed.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    fn library_failed(&self) {
        self.leave(DisconnectReason::LibraryFailed);
    }
}

/// Gives up when the room is left meanwhile: the library may never answer then.
pub(crate) async fn while_open<T>(
    operation: &'static str,
    closed: &CancellationToken,
    call: impl Future<Output = Result<T, ffi::Error>>,
) -> Result<T, Error> {
    if closed.is_cancelled() {
        return Err(Error::Closed { operation });
    }
    tokio::select! {
        biased;
        answer = call => Ok(answer?),
        () = closed.cancelled() => Err(Error::Closed { operation }),
    }
}

fn attributes(entries: Vec<wire::AttributesEntry>) -> HashMap<String, String> {
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}
