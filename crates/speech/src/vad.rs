//! Voice activity: how likely is it that somebody speaks in this window of 32 ms?
//!
//! The Silero network looks at a window together with the 64 samples before it and with its own state, so each speaker
//! has a [`Stream`]. What a probability means (where speech starts, how long a pause ends it) is decided elsewhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aether_onnx::{self as onnx, Processor, RunError, Session, TensorRef, inputs};

/// Samples in a window at 16 kHz, the only length the network was trained on.
pub const WINDOW: usize = 512;

/// Samples of the window before that the network sees again.
const CONTEXT: usize = 64;

/// Two layers of 128 numbers carried from window to window.
const STATE: usize = 2 * 128;

const SAMPLE_RATE_HZ: i64 = aether_audio::RECOGNITION_HZ as i64;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    #[error("{} is not a Silero voice activity model: it {reason}", path.display())]
    NotSilero { path: PathBuf, reason: String },
    #[error("voice activity detection failed: {0}")]
    Run(#[from] RunError),
}

/// The loaded network, shared by all streams: a window takes a fraction of a millisecond, so they take turns.
#[derive(Clone)]
pub struct Model {
    session: Arc<Mutex<Session>>,
}

impl Model {
    pub fn load(path: &Path) -> Result<Self, Error> {
        let session = onnx::session(&onnx::read_model(path)?, path, Processor::Cpu)?;
        for name in ["input", "state", "sr"] {
            if !session.inputs().iter().any(|input| input.name() == name) {
                let reason = format!("has no input `{name}`");
                return Err(Error::NotSilero { path: path.to_owned(), reason });
            }
        }
        let model = Self { session: Arc::new(Mutex::new(session)) };
        // One window of silence proves the shapes now instead of in the first call.
        model.stream().push(&[0.0; WINDOW]).map_err(|error| Error::NotSilero {
            path: path.to_owned(),
            reason: format!("does not take windows of {WINDOW} samples ({error})"),
        })?;
        Ok(model)
    }

    /// A stream for one speaker.
    pub fn stream(&self) -> Stream {
        Stream { session: Arc::clone(&self.session), state: vec![0.0; STATE], input: vec![0.0; CONTEXT + WINDOW] }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("vad::Model")
    }
}

/// One speaker's windows, in order.
pub struct Stream {
    session: Arc<Mutex<Session>>,
    state: Vec<f32>,
    /// The context, then the window.
    input: Vec<f32>,
}

impl Stream {
    /// Probability from 0 to 1 that the window (16 kHz) holds speech.
    pub fn push(&mut self, window: &[f32; WINDOW]) -> Result<f32, Error> {
        self.input.copy_within(WINDOW.., 0);
        self.input[CONTEXT..].copy_from_slice(window);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs![
            "input" => TensorRef::from_array_view(([1, CONTEXT + WINDOW], self.input.as_slice()))?,
            "state" => TensorRef::from_array_view(([2, 1, STATE / 2], self.state.as_slice()))?,
            "sr" => TensorRef::from_array_view(([1usize; 0], &[SAMPLE_RATE_HZ][..]))?,
        ])?;
        let (_, probability) = outputs["output"].try_extract_tensor::<f32>()?;
        let (_, state) = outputs["stateN"].try_extract_tensor::<f32>()?;
        if state.len() == STATE {
            self.state.copy_from_slice(state);
        }
        Ok(probability.first().copied().unwrap_or(0.0))
    }

    /// Forgets the past: what comes next does not follow what came before.
    pub fn reset(&mut self) {
        self.state.fill(0.0);
        self.input.fill(0.0);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("vad::Stream")
    }
}
