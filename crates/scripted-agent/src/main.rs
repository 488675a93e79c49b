//! The agent's own process with a transcriber that answers by the clock, for `aether bench overhead`: whatever time passes
//! beyond the clock's is Aether's own. Voice activity is detected for real, in every window of every room.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aether_agent::{EarsOptions, Options, Parts, Service, Settings};
use aether_models::ModelStore;
use aether_speech::stt::{self, Decoder, Priority, Transcriber, Transcript};
use aether_speech::{onnx, vad};
use aether_telemetry::{fatal, init, shutdown_token};
use aether_voice::lane::Ears;

type Failure = Box<dyn std::error::Error>;

/// What is understood, whatever is said.
const TRANSCRIPT: &str = "AETHER_SCRIPTED_TRANSCRIPT";
/// How long that takes, in milliseconds.
const DECODE_MS: &str = "AETHER_SCRIPTED_DECODE_MS";
/// As many clips at once as there may be rooms, so that none waits for another.
const DECODERS: usize = 64;
const ABORT_LOOK: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> ExitCode {
    run().await.map_or_else(|error| fatal("aether-scripted-agent", &*error), |()| ExitCode::SUCCESS)
}

async fn run() -> Result<(), Failure> {
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = aether_settings::load(Settings::read)?;
    let _telemetry = init(&settings.telemetry, "agent", env!("CARGO_PKG_VERSION"))?;
    let shutdown = shutdown_token();
    let options = Options::from(&settings);
    let ears = ears(&options.ears)?;
    let parts = Parts::connect(&settings).await?;
    Ok(Box::pin(Service::new(options, parts).with_ears(ears).run(shutdown)).await?)
}

fn ears(options: &EarsOptions) -> Result<Ears, Failure> {
    aether_livekit::ffi::init(&options.livekit_ffi)?;
    onnx::init(&options.onnxruntime)?;
    let decoder = ScriptedDecoder::from_environment()?;
    Ok(Ears {
        voice_activity: vad::Model::load(&ModelStore::new(&options.models).require("silero-vad", "silero_vad.onnx")?)?,
        transcriber: Transcriber::over(vec![decoder; DECODERS])?,
        end_of_turn: None,
    })
}

/// Understands the same in every clip, after the same time, and takes no processor for it.
#[derive(Debug, Clone)]
struct ScriptedDecoder {
    transcript: String,
    takes: Duration,
}

impl ScriptedDecoder {
    fn from_environment() -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
        let takes = variable(DECODE_MS)?.parse().map_err(|error| format!("{DECODE_MS}: {error}"))?;
        Ok(Self { transcript: variable(TRANSCRIPT)?, takes: Duration::from_millis(takes) })
    }
}

impl Decoder for ScriptedDecoder {
    fn decode(&mut self, _: &[f32], _: Priority, abort: &Arc<AtomicBool>) -> Result<Transcript, stt::Error> {
        let began = Instant::now();
        while !abort.load(Ordering::Relaxed)
            && let Some(left) = self.takes.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
        {
            sleep(left.min(ABORT_LOOK));
        }
        Ok(Transcript::certain(&self.transcript, began.elapsed()))
    }
}
