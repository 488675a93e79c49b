//! End of turn: is the person done, or only pausing?
//!
//! Smart Turn listens to how something was said: its melody and pace as much as its words. It is asked in a pause and
//! hears everything up to now; it keeps nothing between two questions. What a probability means (how long to wait on)
//! is decided elsewhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aether_audio::mel::{self, HOP, LogMel, MELS};
use aether_onnx::{self as onnx, Processor, RunError, Session, TensorRef, inputs};

/// Samples that the network hears, at 16 kHz: 8 s.
pub const WINDOW: usize = 8 * aether_audio::RECOGNITION_HZ as usize;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    #[error("{} is not a Smart Turn model: it {reason}", path.display())]
    NotSmartTurn { path: PathBuf, reason: String },
    #[error("end-of-turn detection failed: {0}")]
    Run(#[from] RunError),
    #[error("the end-of-turn network answered {0:?} instead of one probability")]
    Answer(Vec<f32>),
}

/// The loaded network, shared by all who ask: they take turns.
#[derive(Clone)]
pub struct Model {
    session: Arc<Mutex<Session>>,
    log_mel: LogMel,
}

impl Model {
    pub fn load(path: &Path, processor: Processor) -> Result<Self, Error> {
        let not_smart_turn = |reason| Error::NotSmartTurn { path: path.to_owned(), reason };
        let session = onnx::session(&onnx::read_model(path)?, path, processor)?;
        if !session.inputs().iter().any(|input| input.name() == "input_features") {
            return Err(not_smart_turn("has no input `input_features`".to_owned()));
        }
        if !session.outputs().iter().any(|output| output.name() == "logits") {
            return Err(not_smart_turn("has no output `logits`".to_owned()));
        }
        let model = Self { session: Arc::new(Mutex::new(session)), log_mel: LogMel::new() };
        // Silence proves the shapes now instead of in the first call.
        model.probability(&[]).map_err(|error| not_smart_turn(format!("does not take 8 s of sound ({error})")))?;
        Ok(model)
    }

    /// Probability from 0 to 1 that the person is done, having said this (16 kHz) up to now. The silence that gave rise
    /// to the question belongs to it: about 200 ms are what the network expects. Of a longer sound the last 8 s count.
    ///
    /// Near 0 and near 1 the answer is steady. Between about 0.2 and 0.9 it is not: the weights are of 8 bits, and what
    /// nobody could hear moves it by 0.2.
    ///
    /// Blocks for some tens of milliseconds, so an async task asks from a thread that may block.
    pub fn probability(&self, samples: &[f32]) -> Result<f32, Error> {
        let features = self.log_mel.spectrogram(&heard(samples));
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs![
            "input_features" => TensorRef::from_array_view(([1, MELS, WINDOW / HOP], features.as_slice()))?,
        ])?;
        // A probability in spite of its name: the graph ends in a sigmoid.
        match outputs["logits"].try_extract_tensor::<f32>()?.1 {
            [probability] if (0.0..=1.0).contains(probability) => Ok(*probability),
            answer => Err(Error::Answer(answer.iter().copied().take(8).collect())),
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("end_of_turn::Model")
    }
}

/// The last 8 s, with silence before them where there are less, and none of what is not a number.
fn heard(samples: &[f32]) -> Vec<f32> {
    let last = &samples[samples.len().saturating_sub(WINDOW)..];
    let mut heard = vec![0.0; WINDOW];
    for (heard, sample) in heard[WINDOW - last.len()..].iter_mut().zip(last) {
        *heard = if sample.is_finite() { *sample } else { 0.0 };
    }
    mel::normalize(&mut heard);
    heard
}
