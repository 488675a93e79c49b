//! What the tests of this crate share: a loaded library, ways into a room, and tones.

#![allow(clippy::allow_attributes, reason = "an expectation would fail in the test file that uses everything")]
#![allow(dead_code, reason = "each test file uses its part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::f64::consts::TAU;
use std::time::Duration;

use aether_livekit::token::{self, Grant};
use aether_livekit::{
    ApiKey, AudioFrame, LocalAudioTrack, LocalTrackPublication, NativeAudioSource, NativeAudioStream, RemoteAudioTrack,
    RemoteTrack, Room, RoomAdmin, RoomEvent, RoomOptions, TrackPublishOptions, ffi,
};
use aether_testkit::LiveKit;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub const RATE: u32 = 48_000;
const FRAME: usize = 480;

pub type Events = mpsc::Receiver<RoomEvent>;

/// A real server, with the library loaded.
pub async fn livekit() -> LiveKit {
    ffi::init(&aether_testkit::layout().library("liblivekit_ffi.so")).unwrap();
    aether_testkit::livekit().await
}

pub fn key(livekit: &LiveKit) -> ApiKey {
    ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.clone() }
}

pub fn admin(livekit: &LiveKit) -> RoomAdmin {
    RoomAdmin::new(&livekit.url, &key(livekit)).unwrap()
}

pub async fn join(livekit: &LiveKit, room: &str, identity: &str) -> (Room, Events) {
    join_with(livekit, Grant::new(room, identity)).await
}

pub async fn join_with(livekit: &LiveKit, grant: Grant) -> (Room, Events) {
    let token = token::person(&key(livekit), grant).unwrap();
    Room::connect(&livekit.url, &token, RoomOptions::default()).await.unwrap()
}

pub async fn join_as_agent(livekit: &LiveKit, room: &str, identity: &str) -> (Room, Events) {
    let token = token::agent(&key(livekit), Grant::new(room, identity)).unwrap();
    Room::connect(&livekit.url, &token, RoomOptions::default()).await.unwrap()
}

/// Takes events until one is what `pick` looks for.
pub async fn event<T>(events: &mut Events, what: &str, mut pick: impl FnMut(RoomEvent) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.recv().await.unwrap_or_else(|| panic!("the room ended before: {what}"));
            if let Some(found) = pick(event) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), search).await.unwrap_or_else(|_| panic!("waited for: {what}"))
}

pub async fn audio_track(events: &mut Events) -> RemoteAudioTrack {
    event(events, "an audio track", |event| match event {
        RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), .. } => Some(track),
        _ => None,
    })
    .await
}

/// Plays a sine into a room until dropped.
pub struct Tone {
    pub publication: LocalTrackPublication,
    pub source: NativeAudioSource,
    _stop: DropGuard,
}

impl Tone {
    pub async fn play(room: &Room, hz: f64) -> Self {
        let source = NativeAudioSource::new(RATE, 1, 20).unwrap();
        let track = LocalAudioTrack::create_audio_track("tone", &source).unwrap();
        let publication = room.local_participant().publish_track(&track, TrackPublishOptions::default()).await.unwrap();
        let stop = CancellationToken::new();
        let (feeding, stopped) = (source.clone(), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            let mut sample = 0_u32;
            loop {
                let data = (0..FRAME)
                    .map(|_| {
                        sample += 1;
                        (10_000.0 * (TAU * hz * f64::from(sample) / f64::from(RATE)).sin()) as i16
                    })
                    .collect();
                if feeding.capture_frame(&AudioFrame::mono(data, RATE)).await.is_err() {
                    return;
                }
            }
        }));
        Self { publication, source, _stop: stop.drop_guard() }
    }
}

/// The share of a piece of audio that is a sine of `hz`, from 0 to 1 (Goertzel's algorithm). Silence has none.
pub fn share_of(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let phase = TAU * hz * index as f64 / f64::from(rate);
        let sample = f64::from(*sample);
        re += sample * phase.cos();
        im += sample * phase.sin();
        energy += sample * sample;
    }
    if energy < 1e6 { 0.0 } else { 2.0 * (re * re + im * im) / (energy * samples.len() as f64) }
}

/// Waits until half a second of the stream is that tone. Panics after ten.
pub async fn hear(stream: &mut NativeAudioStream, rate: u32, hz: f64) {
    let mut heard: Vec<i16> = Vec::new();
    let window = rate as usize / 2;
    let mut best = 0.0_f64;
    for _ in 0..1_000 {
        let next = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
        let frame = next.unwrap_or_else(|_| panic!("no audio; best share of {hz} Hz was {best}")).unwrap();
        assert_eq!((frame.sample_rate, frame.num_channels), (rate, 1));
        heard.extend(frame.data);
        if heard.len() >= window {
            let share = share_of(&heard[heard.len() - window..], rate, hz);
            best = best.max(share);
            if share > 0.9 {
                return;
            }
        }
    }
    panic!("{hz} Hz was not heard; its best share was {best}");
}
