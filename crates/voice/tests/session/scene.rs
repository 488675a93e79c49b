//! One session with everything around it.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aether_audio::{Resampler, pcm16, wav};
use aether_bus::{
    Bus, ConsumeOptions, Consumer, Context, DurableStream, Options as BusOptions, RunningService, TurnLog,
    TurnLogOptions,
};
use aether_proto::{AgentId, PersonId, RoomName, SessionId, TenantId, TurnLogEntry, turn_log_entry::Step};
use aether_speech::{onnx, stt, vad};
use aether_testkit::{self as testkit, Nats, eventually};
use aether_voice::Phrases;
use aether_voice::lane::{self, Ears, Frame};
use aether_voice::media::{FRAME_SAMPLES, Participant, SAMPLE_RATE_HZ};
use aether_voice::session::{self, Guest, Handle, Manners, Policy};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::place::Place;
use crate::played::{PlayedBrain, PlayedVoice};

pub static EARS: LazyLock<Ears> = LazyLock::new(|| {
    let layout = testkit::layout();
    onnx::init(&layout.parts().join("lib/libonnxruntime.so")).unwrap();
    let options = stt::Options { threads: 1, ..stt::Options::default() };
    Ears {
        voice_activity: vad::Model::load(&layout.model("silero-vad", "silero_vad.onnx")).unwrap(),
        transcriber: stt::Transcriber::load(&layout.model("whisper-tiny.en", "ggml-tiny.en.bin"), options).unwrap(),
        end_of_turn: None,
    }
});

pub struct Scene {
    pub brain: PlayedBrain,
    pub voice: PlayedVoice,
    pub place: Arc<Place>,
    pub session: Handle,
    pub brain_bus: Bus,
    pub tts_bus: Bus,
    pub brain_service: Option<RunningService>,
    pub tts_service: Option<RunningService>,
    phrases: Phrases,
    context: Context,
    pub running: JoinHandle<()>,
    pub shutdown: CancellationToken,
    log: Arc<Mutex<Vec<TurnLogEntry>>>,
    _consumer: Consumer,
    _folder: tempfile::TempDir,
    _nats: Nats,
}

impl Scene {
    pub async fn open() -> Self {
        Self::open_as(Manners::default()).await
    }

    pub async fn open_as(manners: Manners) -> Self {
        Self::open_with(manners, lane::Options::default()).await
    }

    pub async fn open_with(manners: Manners, lane: lane::Options) -> Self {
        Self::open_hearing_with(manners, lane, EARS.clone()).await
    }

    pub async fn open_hearing_with(manners: Manners, lane: lane::Options, ears: Ears) -> Self {
        let nats = testkit::nats().await;
        let connect = async |name: &str| Bus::connect(BusOptions::new(&nats.url, name)).await.unwrap();
        let (bus, brain_bus, tts_bus) = (connect("agent").await, connect("brain").await, connect("tts").await);
        let folder = tempfile::tempdir().unwrap();
        let turn_log = TurnLog::open(&bus, TurnLogOptions::new(folder.path())).await.unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let consumer = brain_bus.consume(
            ConsumeOptions::new(DurableStream::Turns, "brain-turns"),
            move |_: Context, entry: TurnLogEntry| {
                kept.lock().unwrap().push(entry);
                std::future::ready(Ok(()))
            },
        );
        let (brain, voice, place) = (PlayedBrain::default(), PlayedVoice::default(), Arc::new(Place::default()));
        let brain_service = brain.start(&brain_bus).await;
        let tts_service = voice.start(&tts_bus).await;
        for bus in [&brain_bus, &tts_bus] {
            // Subscriptions are with the server once something has gone there and back after them.
            bus.ready(Duration::from_secs(10)).await.unwrap();
        }
        let context = Context::new(TenantId::new("acme").unwrap(), AgentId::new("aether").unwrap());
        let options = session::Options {
            context: context.clone().with_session(SessionId::generate()),
            room: RoomName::new("kitchen").unwrap(),
            voice: String::new(),
            lane,
            policy: Policy {
                ask_again: Duration::from_millis(50),
                moment: Duration::from_millis(600),
                // Who was understood, and did not mean it, never interrupts.
                overlap: Duration::from_secs(3600),
                ..Policy::default()
            },
            manners,
            trace: Some(folder.path().join("traces")),
        };
        let shutdown = CancellationToken::new();
        let phrases = Phrases::default();
        let parts = session::Parts { bus, turn_log, ears, phrases: phrases.clone() };
        let (session, running) = session::start(options, parts, place.clone(), shutdown.clone());
        Self {
            brain,
            voice,
            place,
            session,
            brain_bus,
            tts_bus,
            brain_service: Some(brain_service),
            tts_service: Some(tts_service),
            phrases,
            context,
            running,
            shutdown,
            log,
            _consumer: consumer,
            _folder: folder,
            _nats: nats,
        }
    }

    /// Has the agent's own sentences synthesised.
    pub async fn prepare(&self) {
        self.phrases.prepare(&self.tts_bus, &self.context).await;
    }

    pub async fn write(&self, guest: &Guest, words: &str) {
        self.session.typed(guest.clone(), words.to_owned()).await.unwrap();
    }

    /// Says a recording into a microphone of somebody's own, as quickly as a microphone does, and then nothing.
    pub async fn speak(&self, guest: &Guest, recording: &str) -> JoinHandle<()> {
        self.utter(guest, samples(recording)).await
    }

    /// Says a recording, nothing for a while, and the recording again.
    pub async fn speak_twice(&self, guest: &Guest, recording: &str, silence: Duration) -> JoinHandle<()> {
        let recording = samples(recording);
        let nothing = vec![0; FRAME_SAMPLES * usize::try_from(silence.as_millis() / 10).unwrap()];
        self.utter(guest, [recording.clone(), nothing, recording].concat()).await
    }

    async fn utter(&self, guest: &Guest, samples: Vec<i16>) -> JoinHandle<()> {
        let lane = self.session.listen(guest.clone()).await.unwrap();
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            let silence = std::iter::repeat(vec![0; FRAME_SAMPLES]);
            for frame in samples.chunks(FRAME_SAMPLES).map(<[i16]>::to_vec).chain(silence) {
                pace.tick().await;
                lane.push(Frame { samples: frame, is_echo: false });
            }
        })
    }

    /// Waits until so many answers to people have ended.
    pub async fn ended(&self, count: usize) -> Vec<String> {
        eventually("the answers end", 20, || async { self.place.ends().len() >= count }).await;
        self.place.ends()
    }

    pub async fn says(&self, sentence: &str) {
        let said = || async { self.voice.said().iter().any(|said| said == sentence) };
        eventually(&format!("the agent says {sentence:?}"), 20, said).await;
    }

    pub async fn shows(&self, status: &str) {
        eventually(status, 20, || async { self.place.statuses().iter().any(|code| code == status) }).await;
    }

    /// What is written of the session's trace so far; `None` if there is no file.
    pub fn traced(&self) -> Option<String> {
        let file = std::fs::read_dir(self._folder.path().join("traces")).ok()?.next()?.unwrap();
        Some(std::fs::read_to_string(file.path()).unwrap())
    }

    /// Ends the session and returns its trace, once all of it is written.
    pub async fn trace(&mut self) -> Option<String> {
        self.shutdown.cancel();
        (&mut self.running).await.unwrap();
        // A session ends with this.
        let is_whole = |trace: String| trace.contains(r#""event":"interrupt""#) && trace.ends_with('\n');
        eventually("the trace", 20, || async { self.traced().is_none_or(is_whole) }).await;
        self.traced()
    }

    pub fn log(&self) -> Vec<TurnLogEntry> {
        self.log.lock().unwrap().clone()
    }

    /// The steps in the log as short words, once there are so many.
    pub async fn steps(&self, count: usize) -> Vec<String> {
        eventually("the log", 20, || async { self.log().len() >= count }).await;
        self.log().iter().map(step).collect()
    }
}

fn samples(recording: &str) -> Vec<i16> {
    let wav = wav::read(&testkit::audio(recording)).unwrap();
    pcm16::from_f32(&Resampler::convert(&wav.samples, wav.sample_rate_hz, SAMPLE_RATE_HZ).unwrap())
}

fn step(entry: &TurnLogEntry) -> String {
    match entry.step.as_ref().unwrap() {
        Step::UserCommitted(user) => format!("{} {}: {}", user.person_id, user.modality, user.text),
        Step::AnswerChunk(chunk) => format!("answer: {}", chunk.text),
        Step::Heard(heard) => format!("heard {}", heard.text_bytes),
        Step::Ended(ended) => ended.reason.clone(),
    }
}

pub fn guest(name: &str) -> Guest {
    let person = PersonId::new(name.to_lowercase()).unwrap();
    Guest { participant: Participant { identity: format!("{person}-1"), name: name.to_owned() }, person }
}
