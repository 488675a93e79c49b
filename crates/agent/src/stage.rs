//! A LiveKit room as the place of a voice session: the agent's track, its captions, its state.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use aether_livekit::well_known::{
    AGENT_STATE_ATTRIBUTE, EVENTS_TOPIC, SEGMENT_ID_ATTRIBUTE, TRANSCRIBED_TRACK_ATTRIBUTE,
    TRANSCRIPTION_FINAL_ATTRIBUTE, TRANSCRIPTION_TOPIC,
};
use aether_livekit::{
    AudioFrame, DataPacket, LocalAudioTrack, LocalParticipant, NativeAudioSource, ParticipantIdentity,
    StreamTextOptions, TextStreamWriter, TrackPublishOptions, TrackSid, Transcription, TranscriptionSegment,
};
use aether_proto::{AgentState, ClientEvent};
use aether_turn::floor::Phase;
use aether_voice::media::{Caption, Gone, MediaEnd, Pending, SAMPLE_RATE_HZ};
use aether_voice::session::agent_state;
use tokio::sync::Mutex;

use crate::far_end::FarEnd;

/// Audio that may wait in the library: the most that is still heard after a stop.
const QUEUE_MS: u32 = 20;

/// The agent's side of one room.
pub(crate) struct Stage {
    local: LocalParticipant,
    source: NativeAudioSource,
    far_end: Arc<FarEnd>,
    track: TrackSid,
    /// The caption of the answer under way.
    spoken: Mutex<Option<Spoken>>,
    /// Microphone tracks of the people in the room.
    microphones: std::sync::Mutex<HashMap<String, TrackSid>>,
}

struct Spoken {
    segment: String,
    text: String,
    writer: TextStreamWriter,
}

impl Stage {
    /// Publishes the agent's voice.
    pub(crate) async fn open(local: LocalParticipant) -> Result<Self, aether_livekit::Error> {
        let source = NativeAudioSource::new(SAMPLE_RATE_HZ, 1, QUEUE_MS)?;
        let track = LocalAudioTrack::create_audio_track("agent", &source)?;
        let publication = local.publish_track(&track, TrackPublishOptions::default()).await?;
        Ok(Self {
            local,
            source,
            far_end: Arc::new(FarEnd::new(Instant::now())),
            track: publication.sid(),
            spoken: Mutex::new(None),
            microphones: std::sync::Mutex::default(),
        })
    }

    /// What the people in the room get to hear.
    pub(crate) const fn far_end(&self) -> &Arc<FarEnd> {
        &self.far_end
    }

    pub(crate) fn set_microphone(&self, identity: &ParticipantIdentity, track: TrackSid) {
        let mut microphones = self.microphones.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        microphones.insert(identity.as_str().to_owned(), track);
    }

    pub(crate) fn forget_microphone(&self, identity: &ParticipantIdentity) {
        let mut microphones = self.microphones.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        microphones.remove(identity.as_str());
    }

    pub(crate) async fn set_state(&self, state: AgentState) {
        let attributes = HashMap::from([(AGENT_STATE_ATTRIBUTE.to_owned(), state.as_str_name().to_lowercase())]);
        report("show its state", self.local.set_attributes(attributes).await);
    }

    fn microphone(&self, identity: &str) -> Option<TrackSid> {
        self.microphones.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(identity).cloned()
    }

    /// What a participant said. A draft and the final text that replaces it share a segment.
    async fn heard(&self, segment: String, identity: String, text: String, is_final: bool) {
        let track = self.microphone(&identity);
        let options = StreamTextOptions {
            topic: TRANSCRIPTION_TOPIC.to_owned(),
            attributes: caption_attributes(&segment, track.as_ref(), is_final),
            ..StreamTextOptions::default()
        };
        report("show what was heard", self.local.send_text(&text, options).await);
        if let Some(track) = track {
            self.packet(identity.as_str().into(), track, segment, text, is_final).await;
        }
    }

    async fn spoken(&self, segment: String, delta: &str) {
        let mut open = self.spoken.lock().await;
        if open.as_ref().is_none_or(|spoken| spoken.segment != segment) {
            finish(open.take()).await;
            let options = StreamTextOptions {
                topic: TRANSCRIPTION_TOPIC.to_owned(),
                attributes: caption_attributes(&segment, Some(&self.track), false),
                ..StreamTextOptions::default()
            };
            match self.local.stream_text(options).await {
                Ok(writer) => *open = Some(Spoken { segment, text: String::new(), writer }),
                Err(error) => return report("caption its answer", Err::<(), _>(error)),
            }
        }
        if let Some(spoken) = open.as_mut() {
            spoken.text.push_str(delta);
            report("caption its answer", spoken.writer.write(delta).await);
        }
    }

    async fn spoken_end(&self) {
        let Some(spoken) = self.spoken.lock().await.take() else { return };
        let (segment, text) = (spoken.segment.clone(), spoken.text.clone());
        finish(Some(spoken)).await;
        self.packet(self.local.identity().clone(), self.track.clone(), segment, text, true).await;
    }

    /// The same for clients that know only transcription packets.
    async fn packet(&self, speaker: ParticipantIdentity, track: TrackSid, id: String, text: String, is_final: bool) {
        let segment = TranscriptionSegment { id, text, r#final: is_final, ..TranscriptionSegment::default() };
        let transcription = Transcription { participant_identity: speaker, track_id: track, segments: vec![segment] };
        report("publish a transcription", self.local.publish_transcription(transcription).await);
    }
}

impl MediaEnd for Stage {
    fn play<'a>(&'a self, frame: &'a [i16]) -> Pending<'a, Result<(), Gone>> {
        Box::pin(async move {
            self.far_end.played(frame, Instant::now());
            let frame = AudioFrame::mono(frame.to_vec(), SAMPLE_RATE_HZ);
            self.source.capture_frame(&frame).await.map_err(|error| Gone(error.to_string()))
        })
    }

    fn caption(&self, caption: Caption) -> Pending<'_, ()> {
        Box::pin(async move {
            match caption {
                Caption::Heard { segment, identity, text, is_final } => {
                    self.heard(segment, identity, text, is_final).await;
                }
                Caption::Spoken { segment, delta } => self.spoken(segment, &delta).await,
                Caption::SpokenEnd { .. } => self.spoken_end().await,
            }
        })
    }

    fn phase(&self, phase: Phase) -> Pending<'_, ()> {
        Box::pin(self.set_state(agent_state(phase)))
    }

    fn event<'a>(&'a self, event: &'a ClientEvent) -> Pending<'a, ()> {
        Box::pin(async move {
            let payload = match serde_json::to_vec(event) {
                Ok(payload) => payload,
                Err(error) => return tracing::error!(%error, "a client event has no JSON form"),
            };
            let packet = DataPacket {
                payload,
                topic: Some(EVENTS_TOPIC.to_owned()),
                reliable: true,
                destination_identities: Vec::new(),
            };
            report("tell clients what happened", self.local.publish_data(packet).await);
        })
    }
}

async fn finish(spoken: Option<Spoken>) {
    if let Some(spoken) = spoken {
        let last = HashMap::from([(TRANSCRIPTION_FINAL_ATTRIBUTE.to_owned(), "true".to_owned())]);
        report("close a caption", spoken.writer.close_with(last).await);
    }
}

fn caption_attributes(segment: &str, track: Option<&TrackSid>, is_final: bool) -> HashMap<String, String> {
    let mut attributes = HashMap::from([
        (SEGMENT_ID_ATTRIBUTE.to_owned(), segment.to_owned()),
        (TRANSCRIPTION_FINAL_ATTRIBUTE.to_owned(), is_final.to_string()),
    ]);
    if let Some(track) = track {
        attributes.insert(TRANSCRIBED_TRACK_ATTRIBUTE.to_owned(), track.as_str().to_owned());
    }
    attributes
}

/// What can't be shown is not worth ending a conversation for.
fn report<T>(what: &'static str, result: Result<T, aether_livekit::Error>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the agent could not {what}");
    }
}
