//! Somebody else in the room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ffi::wire;
use crate::{DisconnectReason, ParticipantIdentity, RemoteTrackPublication, TrackSid};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParticipantKind {
    /// A person with a browser or an app.
    Standard,
    Ingress,
    Egress,
    /// A person on a telephone.
    Sip,
    Agent,
    Connector,
    Bridge,
}

impl ParticipantKind {
    /// A human being, rather than an agent or a recorder.
    pub const fn is_person(self) -> bool {
        matches!(self, Self::Standard | Self::Sip)
    }
}

/// A participant other than us, as last heard of. Cheap to clone; clones see changes.
#[derive(Debug, Clone)]
pub struct RemoteParticipant {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    identity: ParticipantIdentity,
    sid: String,
    kind: ParticipantKind,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    name: String,
    metadata: String,
    attributes: HashMap<String, String>,
    publications: HashMap<TrackSid, RemoteTrackPublication>,
    disconnect_reason: Option<DisconnectReason>,
}

impl RemoteParticipant {
    pub fn identity(&self) -> &ParticipantIdentity {
        &self.inner.identity
    }

    pub fn sid(&self) -> &str {
        &self.inner.sid
    }

    pub fn kind(&self) -> ParticipantKind {
        self.inner.kind
    }

    pub fn name(&self) -> String {
        self.state().name.clone()
    }

    pub fn metadata(&self) -> String {
        self.state().metadata.clone()
    }

    pub fn attributes(&self) -> HashMap<String, String> {
        self.state().attributes.clone()
    }

    pub fn attribute(&self, key: &str) -> Option<String> {
        self.state().attributes.get(key).cloned()
    }

    pub fn track_publications(&self) -> Vec<RemoteTrackPublication> {
        self.state().publications.values().cloned().collect()
    }

    /// Known once the participant has left.
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        self.state().disconnect_reason
    }

    pub(crate) fn new(info: wire::ParticipantInfo) -> Self {
        let inner = Inner {
            kind: info.kind().into(),
            identity: info.identity.into(),
            sid: info.sid,
            state: Mutex::new(State {
                name: info.name,
                metadata: info.metadata,
                attributes: info.attributes,
                publications: HashMap::new(),
                disconnect_reason: None,
            }),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn set_name(&self, name: String) {
        self.state().name = name;
    }

    pub(crate) fn set_metadata(&self, metadata: String) {
        self.state().metadata = metadata;
    }

    pub(crate) fn set_attributes(&self, attributes: HashMap<String, String>) {
        self.state().attributes = attributes;
    }

    pub(crate) fn publication(&self, sid: &TrackSid) -> Option<RemoteTrackPublication> {
        self.state().publications.get(sid).cloned()
    }

    pub(crate) fn add_publication(&self, publication: RemoteTrackPublication) {
        let replaced = self.state().publications.insert(publication.sid().clone(), publication);
        drop(replaced);
    }

    pub(crate) fn remove_publication(&self, sid: &TrackSid) -> Option<RemoteTrackPublication> {
        self.state().publications.remove(sid)
    }

    /// Ends all that comes from this participant.
    pub(crate) fn leave(&self, reason: Option<DisconnectReason>) {
        let publications = {
            let mut state = self.state();
            state.disconnect_reason = reason;
            std::mem::take(&mut state.publications)
        };
        for publication in publications.into_values() {
            publication.end_subscription();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<wire::ParticipantKind> for ParticipantKind {
    fn from(kind: wire::ParticipantKind) -> Self {
        match kind {
            wire::ParticipantKind::Standard => Self::Standard,
            wire::ParticipantKind::Ingress => Self::Ingress,
            wire::ParticipantKind::Egress => Self::Egress,
            wire::ParticipantKind::Sip => Self::Sip,
            wire::ParticipantKind::Agent => Self::Agent,
            wire::ParticipantKind::Connector => Self::Connector,
            wire::ParticipantKind::Bridge => Self::Bridge,
        }
    }
}
