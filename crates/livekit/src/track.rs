//! Tracks and their publications, ours and those of others.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::ffi::{self, Handle, wire};
use crate::{Error, NativeAudioSource, TrackSid};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    Audio,
    Video,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrackSource {
    #[default]
    Unknown,
    Camera,
    Microphone,
    Screenshare,
    ScreenshareAudio,
}

/// How a track is sent. The defaults suit speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackPublishOptions {
    pub source: TrackSource,
    /// Send almost nothing during silence.
    pub dtx: bool,
    /// Send each packet twice, so that a single loss is not heard.
    pub red: bool,
    /// In bits per second; `None` leaves it to the library.
    pub max_bitrate: Option<u64>,
}

impl Default for TrackPublishOptions {
    fn default() -> Self {
        Self { source: TrackSource::Microphone, dtx: true, red: true, max_bitrate: None }
    }
}

/// A track that plays what is captured into a [`NativeAudioSource`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalAudioTrack {
    handle: Arc<Handle>,
    name: String,
    source: NativeAudioSource,
}

impl LocalAudioTrack {
    /// # Errors
    /// When the library is not loaded or refuses.
    pub fn create_audio_track(name: &str, source: &NativeAudioSource) -> Result<Self, Error> {
        let operation = "create an audio track";
        let runtime = source.handle().runtime();
        let request = wire::CreateAudioTrackRequest { name: name.to_owned(), source_handle: source.handle().id() };
        match runtime.request(operation, wire::ffi_request::Message::CreateAudioTrack(request))? {
            wire::ffi_response::Message::CreateAudioTrack(response) => Ok(Self {
                handle: Arc::new(Handle::new(runtime, response.track.handle)),
                name: name.to_owned(),
                source: source.clone(),
            }),
            _ => Err(ffi::Error::Unexpected { operation }.into()),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn source(&self) -> &NativeAudioSource {
        &self.source
    }

    /// # Errors
    /// When the library refuses.
    pub fn mute(&self) -> Result<(), Error> {
        self.set_muted(true)
    }

    /// # Errors
    /// When the library refuses.
    pub fn unmute(&self) -> Result<(), Error> {
        self.set_muted(false)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    fn set_muted(&self, mute: bool) -> Result<(), Error> {
        let request = wire::LocalTrackMuteRequest { track_handle: self.handle.id(), mute };
        self.handle.runtime().request("mute a track", wire::ffi_request::Message::LocalTrackMute(request))?;
        Ok(())
    }
}

/// Our track, as the room knows it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalTrackPublication {
    inner: Arc<LocalPublication>,
}

#[derive(Debug)]
struct LocalPublication {
    /// Kept so that the library can tell under which name it published the track again.
    _handle: Handle,
    sid: Mutex<TrackSid>,
    name: String,
    track: LocalAudioTrack,
}

impl LocalTrackPublication {
    pub(crate) fn new(handle: Handle, info: wire::TrackPublicationInfo, track: LocalAudioTrack) -> Self {
        let inner = LocalPublication { _handle: handle, sid: Mutex::new(info.sid.into()), name: info.name, track };
        Self { inner: Arc::new(inner) }
    }

    /// The current name: it changes when the track is published again after a full reconnect.
    pub fn sid(&self) -> TrackSid {
        self.inner.sid.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn track(&self) -> &LocalAudioTrack {
        &self.inner.track
    }

    pub(crate) fn set_sid(&self, sid: TrackSid) {
        *self.inner.sid.lock().unwrap_or_else(PoisonError::into_inner) = sid;
    }
}

/// A track of another participant that we are subscribed to.
#[derive(Debug, Clone)]
pub enum RemoteTrack {
    Audio(RemoteAudioTrack),
    Video(RemoteVideoTrack),
}

impl RemoteTrack {
    pub fn sid(&self) -> &TrackSid {
        match self {
            Self::Audio(track) => &track.inner.sid,
            Self::Video(track) => &track.inner.sid,
        }
    }

    pub fn kind(&self) -> TrackKind {
        match self {
            Self::Audio(_) => TrackKind::Audio,
            Self::Video(_) => TrackKind::Video,
        }
    }

    pub(crate) fn new(handle: Handle, info: wire::TrackInfo, ended: CancellationToken) -> Self {
        let audio = info.kind() == wire::TrackKind::KindAudio;
        let inner = Arc::new(RemoteTrackInner { handle, sid: info.sid.into(), name: info.name, ended });
        if audio { Self::Audio(RemoteAudioTrack { inner }) } else { Self::Video(RemoteVideoTrack { inner }) }
    }
}

/// Someone's voice. Listen to it with a [`NativeAudioStream`](crate::NativeAudioStream). Cheap to clone.
#[derive(Debug, Clone)]
pub struct RemoteAudioTrack {
    inner: Arc<RemoteTrackInner>,
}

/// Someone's picture, which Aether does not look at. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RemoteVideoTrack {
    inner: Arc<RemoteTrackInner>,
}

#[derive(Debug)]
struct RemoteTrackInner {
    handle: Handle,
    sid: TrackSid,
    name: String,
    ended: CancellationToken,
}

impl RemoteAudioTrack {
    pub fn sid(&self) -> &TrackSid {
        &self.inner.sid
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.inner.handle
    }

    /// Cancelled when the track is unsubscribed, its owner leaves, or we do.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.inner.ended
    }
}

/// Another participant's track, as the room knows it, subscribed or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RemoteTrackPublication {
    inner: Arc<RemotePublication>,
}

#[derive(Debug)]
struct RemotePublication {
    handle: Handle,
    sid: TrackSid,
    name: String,
    kind: TrackKind,
    source: TrackSource,
    state: Mutex<RemotePublicationState>,
}

#[derive(Debug)]
struct RemotePublicationState {
    muted: bool,
    ended: CancellationToken,
}

impl RemoteTrackPublication {
    pub fn sid(&self) -> &TrackSid {
        &self.inner.sid
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn kind(&self) -> TrackKind {
        self.inner.kind
    }

    pub fn source(&self) -> TrackSource {
        self.inner.source
    }

    pub fn is_muted(&self) -> bool {
        self.state().muted
    }

    /// Needed only in a room joined without `auto_subscribe`.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn set_subscribed(&self, subscribe: bool) -> Result<(), Error> {
        let request = wire::SetSubscribedRequest { subscribe, publication_handle: self.inner.handle.id() };
        self.inner.handle.runtime().request("subscribe", wire::ffi_request::Message::SetSubscribed(request))?;
        Ok(())
    }

    pub(crate) fn new(handle: Handle, info: wire::TrackPublicationInfo) -> Self {
        let kind = if info.kind() == wire::TrackKind::KindAudio { TrackKind::Audio } else { TrackKind::Video };
        let state = RemotePublicationState { muted: info.muted, ended: CancellationToken::new() };
        let inner = RemotePublication {
            handle,
            kind,
            source: info.source().into(),
            sid: info.sid.into(),
            name: info.name,
            state: Mutex::new(state),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn set_muted(&self, muted: bool) {
        self.state().muted = muted;
    }

    /// A new subscription begins; the token ends with it.
    pub(crate) fn begin_subscription(&self) -> CancellationToken {
        let mut state = self.state();
        state.ended.cancel();
        state.ended = CancellationToken::new();
        state.ended.clone()
    }

    pub(crate) fn end_subscription(&self) {
        self.state().ended.cancel();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, RemotePublicationState> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<wire::TrackSource> for TrackSource {
    fn from(source: wire::TrackSource) -> Self {
        match source {
            wire::TrackSource::SourceUnknown => Self::Unknown,
            wire::TrackSource::SourceCamera => Self::Camera,
            wire::TrackSource::SourceMicrophone => Self::Microphone,
            wire::TrackSource::SourceScreenshare => Self::Screenshare,
            wire::TrackSource::SourceScreenshareAudio => Self::ScreenshareAudio,
        }
    }
}

impl From<TrackSource> for wire::TrackSource {
    fn from(source: TrackSource) -> Self {
        match source {
            TrackSource::Unknown => Self::SourceUnknown,
            TrackSource::Camera => Self::SourceCamera,
            TrackSource::Microphone => Self::SourceMicrophone,
            TrackSource::Screenshare => Self::SourceScreenshare,
            TrackSource::ScreenshareAudio => Self::SourceScreenshareAudio,
        }
    }
}
