//! What one agent process does, apart from what it works with.

use std::path::PathBuf;
use std::time::Duration;

use aether_livekit::ApiKey;
use aether_settings::{IdentitySettings, TurnTakingSettings};
use aether_speech::onnx::Processor;
use aether_voice::lane;
use aether_voice::session::Policy;

use crate::Settings;

/// Between two attempts to load models that can't be loaded.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Options {
    pub identity: IdentitySettings,
    pub livekit_url: String,
    pub livekit_key: ApiKey,
    /// Empty: the agent is sent into every room of its tenant.
    pub agent_name: String,
    /// As people see it in the room.
    pub name: String,
    pub max_sessions: u32,
    /// Whether the agent's own voice is taken out of people's microphones.
    pub echo_cancellation: bool,
    pub lane: lane::Options,
    pub policy: Policy,
    /// The folder of traces, if they are wanted.
    pub trace: Option<PathBuf>,
    pub ears: EarsOptions,
}

/// Where the models that listen come from.
#[derive(Debug, Clone)]
pub struct EarsOptions {
    pub livekit_ffi: PathBuf,
    pub onnxruntime: PathBuf,
    pub models: PathBuf,
    pub whisper_model: String,
    /// `None`: what suits the machine.
    pub whisper_threads: Option<usize>,
    pub whisper_states: usize,
    /// `None`: silence is judged by its words alone.
    pub end_of_turn_model: Option<String>,
    pub processor: Processor,
    pub retry: Duration,
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        let livekit = &settings.livekit;
        Self {
            identity: settings.identity.clone(),
            livekit_url: livekit.url.expose().to_owned(),
            livekit_key: ApiKey { key: livekit.api_key.clone(), secret: livekit.api_secret.expose().to_owned() },
            agent_name: livekit.agent_name.clone().unwrap_or_default(),
            name: settings.identity.agent.to_string(),
            max_sessions: settings.agent.max_sessions,
            echo_cancellation: settings.agent.echo_cancellation,
            lane: lane_options(&settings.turn_taking),
            policy: Policy::default(),
            trace: settings.turn_taking.trace.clone(),
            ears: EarsOptions {
                livekit_ffi: settings.home.livekit_ffi(),
                onnxruntime: settings.home.onnxruntime(),
                models: settings.home.models(),
                whisper_model: settings.speech.whisper_model.clone(),
                whisper_threads: settings.speech.whisper_threads.map(|threads| threads as usize),
                whisper_states: settings.speech.whisper_states as usize,
                end_of_turn_model: settings.turn_taking.end_of_turn_model.clone(),
                processor: Processor::with_cuda(settings.speech.cuda),
                retry: RETRY,
            },
        }
    }
}

fn lane_options(settings: &TurnTakingSettings) -> lane::Options {
    lane::Options {
        endpointing: lane::EndpointingOptions {
            shortest: settings.endpoint_shortest,
            longest: settings.endpoint_longest,
            open_words: settings.endpoint_open_words,
            without_model: settings.endpoint_silence,
        },
        sentences: settings.endpoint_sentences,
        partials: settings.partials,
        guesses: settings.work_ahead,
        ..lane::Options::default()
    }
}
