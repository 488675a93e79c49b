//! A Piper voice's network: phoneme ids in, samples out.
//!
//! The exported graph gives all samples of a sentence at once. It is cut into three: the *encoder* (which decides how
//! long each phoneme lasts, and holds all the randomness), the *flow* and the *decoder*. The last two are made of
//! convolutions, so a stretch of frames with enough neighbours around it comes out the same as within the whole; they
//! run stretch by stretch, short ones first, and the first samples are there long before the last. The cut also shows
//! the durations, so that marks are exact. A graph that can't be cut this way is run whole.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use aether_onnx::{self as onnx, Processor, RunError, Session, SessionOutputs, TensorRef, inputs};

use super::subgraph::{Subgraph, extract};

/// Names that PyTorch gave to the tensors at the two cuts, the same in all of Piper's exports.
const LATENT: &str = "/Add_output_0";
const MASK: &str = "/Cast_2_output_0";
const FLOWED: &str = "/Mul_7_output_0";
const DURATIONS: &str = "/Ceil_output_0";

/// Numbers per frame at both cuts.
const CHANNELS: usize = 192;

/// How many neighbouring frames reach into a frame's result (four WaveNets of kernel 5; HiFi-GAN's first layers).
const FLOW_CONTEXT: usize = 32;
const DECODER_CONTEXT: usize = 11;

/// Frames in the first stretch (93 ms at 22.05 kHz) and in the longest: short ones start early, long ones waste less
/// on neighbours.
const FIRST_STRETCH: usize = 8;
const LONGEST_STRETCH: usize = 128;

/// What `speak` reports, in this order: the timing once, then samples.
pub(super) enum Event<'a> {
    Timing(Timing),
    Samples(&'a [f32]),
}

/// At which sample each phoneme id starts.
pub(super) struct Timing {
    pub starts: Vec<u64>,
    /// From the network itself, or every id taken to last equally long.
    pub exact: bool,
}

/// Scales of the inputs: liveliness of the sound, length, liveliness of the rhythm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    pub noise: f32,
    pub length: f32,
    pub rhythm: f32,
}

impl Scales {
    fn values(self) -> [f32; 3] {
        [self.noise, self.length, self.rhythm]
    }
}

/// The parts of a voice's graph, ready to be loaded any number of times.
pub(super) struct Graphs {
    whole: Vec<u8>,
    parts: Option<[Vec<u8>; 3]>,
}

impl Graphs {
    pub(super) fn read(path: &Path) -> Result<Self, onnx::Error> {
        let whole = onnx::read_model(path)?;
        let cut = |inputs: &[&str], outputs: &[&str]| extract(&whole, &Subgraph { inputs, outputs });
        let cut_all = || {
            let encoder = cut(&["input", "input_lengths", "scales"], &[LATENT, DURATIONS])?;
            let flow = cut(&[LATENT, MASK], &[FLOWED])?;
            let decoder = cut(&[FLOWED], &["output"])?;
            Some([encoder, flow, decoder])
        };
        let parts = cut_all();
        Ok(Self { whole, parts })
    }

    /// Sessions of their own for one worker.
    pub(super) fn load(&self, path: &Path, processor: Processor) -> Result<Network, onnx::Error> {
        if let Some(parts) = &self.parts {
            match Streaming::load(parts, path, processor) {
                Ok(streaming) => return Ok(Network::Streaming(streaming)),
                Err(error) => tracing::warn!(%error, "this voice can't be streamed; sentences are spoken in one go"),
            }
        }
        Ok(Network::Whole(onnx::session(&self.whole, path, processor)?))
    }
}

pub(super) enum Network {
    Streaming(Streaming),
    Whole(Session),
}

impl Network {
    /// Speaks a sentence. Ends early, without an error, when `listen` breaks.
    pub(super) fn speak(
        &mut self,
        ids: &[i64],
        scales: Scales,
        listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        match self {
            Self::Streaming(streaming) => streaming.speak(ids, scales, listen),
            Self::Whole(session) => {
                let outputs = run_ids(session, ids, scales)?;
                let (_, samples) = outputs["output"].try_extract_tensor::<f32>()?;
                let starts = (0..ids.len()).map(|id| (id * samples.len() / ids.len()) as u64).collect();
                if listen(Event::Timing(Timing { starts, exact: false })).is_continue() {
                    let _ = listen(Event::Samples(samples));
                }
                Ok(())
            }
        }
    }

    /// Whether first samples leave before the last are computed.
    pub(super) fn streams(&self) -> bool {
        matches!(self, Self::Streaming(_))
    }
}

pub(super) struct Streaming {
    encoder: Session,
    flow: Session,
    decoder: Session,
    samples_per_frame: usize,
}

impl Streaming {
    fn load([encoder, flow, decoder]: &[Vec<u8>; 3], path: &Path, processor: Processor) -> Result<Self, onnx::Error> {
        let mut streaming = Self {
            encoder: onnx::session(encoder, path, processor)?,
            flow: onnx::session(flow, path, processor)?,
            decoder: onnx::session(decoder, path, processor)?,
            samples_per_frame: 0,
        };
        // A few frames of nothing show how many samples a frame becomes, and that the shapes are as expected.
        let frames = 2 * FIRST_STRETCH;
        let misfit = |reason: String| onnx::Error::Model { path: path.to_owned(), reason };
        let samples = streaming
            .stretch(&vec![0.0; CHANNELS * frames], frames, 0..frames)
            .map_err(|error| misfit(error.to_string()))?;
        if samples.is_empty() || !samples.len().is_multiple_of(frames) {
            return Err(misfit(format!("{frames} frames became {} samples", samples.len())));
        }
        streaming.samples_per_frame = samples.len() / frames;
        Ok(streaming)
    }

    fn speak(
        &mut self,
        ids: &[i64],
        scales: Scales,
        listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let (latent, durations) = {
            let outputs = run_ids(&mut self.encoder, ids, scales)?;
            let (_, latent) = outputs[LATENT].try_extract_tensor::<f32>()?;
            let (_, durations) = outputs[DURATIONS].try_extract_tensor::<f32>()?;
            (latent.to_vec(), durations.to_vec())
        };
        let frames = latent.len() / CHANNELS;
        let mut start = 0;
        let starts = durations.iter().map(|duration| {
            let this = start;
            start += duration.max(0.0) as u64 * self.samples_per_frame as u64;
            this
        });
        let starts = starts.collect();
        if listen(Event::Timing(Timing { starts, exact: true })).is_break() {
            return Ok(());
        }
        let (mut start, mut len) = (0, FIRST_STRETCH);
        while start < frames {
            let mut end = (start + len).min(frames);
            // A last stretch of a few frames costs as much as a longer one.
            if frames - end < FIRST_STRETCH {
                end = frames;
            }
            let samples = self.stretch(&latent, frames, start..end)?;
            if listen(Event::Samples(&samples)).is_break() {
                return Ok(());
            }
            start = end;
            len = (len * 2).min(LONGEST_STRETCH);
        }
        Ok(())
    }

    /// The samples of some frames, computed with as many neighbours as reach into them.
    fn stretch(&mut self, latent: &[f32], frames: usize, wanted: Range<usize>) -> Result<Vec<f32>, RunError> {
        let decoded = widen(&wanted, DECODER_CONTEXT, frames);
        let flowed = widen(&decoded, FLOW_CONTEXT, frames);
        let input = columns(latent, frames, &flowed);
        let mask = vec![1.0f32; flowed.len()];
        let outputs = self.flow.run(inputs![
            LATENT => TensorRef::from_array_view(([1, CHANNELS, flowed.len()], input.as_slice()))?,
            MASK => TensorRef::from_array_view(([1, 1, flowed.len()], mask.as_slice()))?,
        ])?;
        let (_, output) = outputs[FLOWED].try_extract_tensor::<f32>()?;
        let shift = |range: &Range<usize>, by: usize| range.start - by..range.end - by;
        let input = columns(output, flowed.len(), &shift(&decoded, flowed.start));
        let outputs = self.decoder.run(inputs![
            FLOWED => TensorRef::from_array_view(([1, CHANNELS, decoded.len()], input.as_slice()))?,
        ])?;
        let (_, samples) = outputs["output"].try_extract_tensor::<f32>()?;
        let per_frame = samples.len() / decoded.len();
        let within = shift(&wanted, decoded.start);
        Ok(samples[within.start * per_frame..within.end * per_frame].to_vec())
    }
}

fn run_ids<'s>(session: &'s mut Session, ids: &[i64], scales: Scales) -> Result<SessionOutputs<'s>, RunError> {
    let lengths = [ids.len() as i64];
    let scales = scales.values();
    session.run(inputs![
        "input" => TensorRef::from_array_view(([1, ids.len()], ids))?,
        "input_lengths" => TensorRef::from_array_view(([1], &lengths[..]))?,
        "scales" => TensorRef::from_array_view(([3], &scales[..]))?,
    ])
}

fn widen(range: &Range<usize>, by: usize, len: usize) -> Range<usize> {
    range.start.saturating_sub(by)..(range.end + by).min(len)
}

/// Some columns of a matrix with `CHANNELS` rows of `width`.
fn columns(matrix: &[f32], width: usize, range: &Range<usize>) -> Vec<f32> {
    matrix.chunks_exact(width.max(1)).flat_map(|row| &row[range.clone()]).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn home() -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("Cargo.lock").exists());
        std::env::var_os("AETHER_HOME").map_or_else(|| root.unwrap().join(".aether"), PathBuf::from)
    }

    fn samples(network: &mut Network) -> (Vec<f32>, usize, Timing) {
        // Some vowels and consonants; without noise the voice says them the same way each time.
        let ids: Vec<i64> = [1, 0].into_iter().chain((14..54).flat_map(|phoneme| [phoneme, 0])).chain([2]).collect();
        let still = Scales { noise: 0.0, length: 1.0, rhythm: 0.0 };
        let (mut samples, mut pieces, mut timing) = (Vec::new(), 0, None);
        let listen = &mut |event: Event<'_>| {
            match event {
                Event::Timing(given) => timing = Some(given),
                Event::Samples(piece) => {
                    samples.extend_from_slice(piece);
                    pieces += 1;
                }
            }
            ControlFlow::Continue(())
        };
        network.speak(&ids, still, listen).unwrap();
        (samples, pieces, timing.unwrap())
    }

    #[test]
    fn in_stretches_it_sounds_as_in_one_go() {
        onnx::init(&home().join("parts/lib/libonnxruntime.so")).unwrap();
        let path = home().join("models/en_US-joe-medium/en_US-joe-medium.onnx");
        let graphs = Graphs::read(&path).unwrap();
        let mut streaming = graphs.load(&path, Processor::Cpu).unwrap();
        assert!(streaming.streams());
        let (pieced, pieces, timing) = samples(&mut streaming);
        drop(streaming);
        let mut whole = Graphs { parts: None, ..graphs }.load(&path, Processor::Cpu).unwrap();
        let (once, one, estimated) = samples(&mut whole);
        assert!(pieces > 4 && one == 1);
        assert!(timing.exact && !estimated.exact);
        assert!(*timing.starts.last().unwrap() < once.len() as u64);
        assert_eq!(pieced.len(), once.len());
        let error = pieced.iter().zip(&once).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-3, "off by {error}");
    }
}
