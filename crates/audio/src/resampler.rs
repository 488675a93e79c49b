//! From one sample rate to another, piece by piece.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// No microphone, file or voice has more; a larger number is a damaged header.
pub const MAX_RATE_HZ: u32 = 768_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a sample rate of {0} Hz can't be converted; give one from 1 to {MAX_RATE_HZ} Hz")]
    Rate(u32),
    #[error("no converter from {from_hz} Hz to {to_hz} Hz")]
    Pair { from_hz: u32, to_hz: u32 },
}

/// A streaming, mono sample rate converter.
///
/// Pieces of any length go in; what is ready comes out at once. The converter's own delay is cut off at the start and
/// caught up by [`flush`](Self::flush), so that *n* samples in all become `ceil(n * to / from)`, in step with the input.
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    /// `None` when both rates are the same.
    converter: Option<Converter>,
}

impl Resampler {
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, Error> {
        for rate_hz in [from_hz, to_hz] {
            if rate_hz == 0 || rate_hz > MAX_RATE_HZ {
                return Err(Error::Rate(rate_hz));
            }
        }
        let converter = if from_hz == to_hz { None } else { Some(Converter::new(from_hz, to_hz)?) };
        Ok(Self { from_hz, to_hz, converter })
    }

    /// Takes more input and returns the output that is ready.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        match &mut self.converter {
            Some(converter) => converter.push(samples),
            None => samples.to_vec(),
        }
    }

    /// Returns the output still owed for the input so far and starts afresh.
    pub fn flush(&mut self) -> Vec<f32> {
        self.converter.as_mut().map(Converter::flush).unwrap_or_default()
    }

    /// Forgets everything: the stream was cut off and the next piece belongs to another.
    pub fn reset(&mut self) {
        if let Some(converter) = &mut self.converter {
            converter.reset();
        }
    }

    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// Converts a whole clip.
    pub fn convert(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, Error> {
        let mut resampler = Self::new(from_hz, to_hz)?;
        let mut out = resampler.push(samples);
        out.extend(resampler.flush());
        Ok(out)
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Resampler").field("from_hz", &self.from_hz).field("to_hz", &self.to_hz).finish()
    }
}

struct Converter {
    fft: Fft<f32>,
    from_hz: u64,
    to_hz: u64,
    /// Input that does not fill a block yet.
    pending: Vec<f32>,
    /// Output of one block.
    block: Vec<f32>,
    /// Samples of start-up delay that are still to be thrown away.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Converter {
    fn new(from_hz: u32, to_hz: u32) -> Result<Self, Error> {
        let fft = Fft::new_custom(
            from_hz as usize,
            to_hz as usize,
            block_len(from_hz, to_hz),
            1,
            1,
            WindowFunction::BlackmanHarris2,
            // Both sides fixed: one block in, one block out, whatever the pair of rates.
            FixedSync::Both,
        )
        .map_err(|_| Error::Pair { from_hz, to_hz })?;
        let skip = fft.output_delay();
        let block = vec![0.0; fft.output_frames_max()];
        Ok(Self {
            fft,
            from_hz: from_hz.into(),
            to_hz: to_hz.into(),
            pending: Vec::new(),
            block,
            skip,
            taken: 0,
            given: 0,
        })
    }

    fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        self.taken += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        let mut out = Vec::new();
        self.drain_blocks(&mut out);
        self.given += out.len() as u64;
        out
    }

    fn flush(&mut self) -> Vec<f32> {
        let owed = (self.taken * self.to_hz).div_ceil(self.from_hz).saturating_sub(self.given) as usize;
        let mut out = Vec::new();
        while out.len() < owed {
            // Silence pushes the rest through; at least one whole block of it, so that the loop always gets on.
            let block_len = self.fft.input_frames_next();
            self.pending.resize(self.pending.len().next_multiple_of(block_len).max(block_len), 0.0);
            self.drain_blocks(&mut out);
        }
        out.truncate(owed);
        self.reset();
        out
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.pending.clear();
        self.skip = self.fft.output_delay();
        self.taken = 0;
        self.given = 0;
    }

    fn drain_blocks(&mut self, out: &mut Vec<f32>) {
        let mut consumed = 0;
        while self.pending.len() - consumed >= self.fft.input_frames_next() {
            let block_len = self.fft.input_frames_next();
            let produced = self.convert_block(consumed, block_len);
            let skipped = self.skip.min(produced);
            self.skip -= skipped;
            out.extend_from_slice(&self.block[skipped..produced]);
            consumed += block_len;
        }
        self.pending.drain(..consumed);
    }

    /// Converts one block into `self.block` and returns how many samples it became. The lengths are the converter's
    /// own, so it has nothing to refuse; should it ever, the block is silent instead of missing, and time stays right.
    fn convert_block(&mut self, start: usize, block_len: usize) -> usize {
        let expected = self.fft.output_frames_next();
        let capacity = self.block.len();
        let result =
            SequentialSlice::new(&self.pending[start..start + block_len], 1, block_len).ok().and_then(|input| {
                let mut output = SequentialSlice::new_mut(&mut self.block, 1, capacity).ok()?;
                self.fft.process_into_buffer(&input, &mut output, None).ok()
            });
        match result {
            Some((_, produced)) => produced,
            None => {
                self.block.fill(0.0);
                expected
            }
        }
    }
}

/// How many input samples to aim at per block: half of one is the delay, and a longer one has the steeper filter.
///
/// Going down, the filter must be steep (what lies above the new Nyquist folds back into speech): 10 ms. Going up,
/// the voice's own band limit does the work, and the delay is heard before the first word: 6.7 ms (147 at 22.05 kHz).
fn block_len(from_hz: u32, to_hz: u32) -> usize {
    let blocks_per_second = if from_hz > to_hz { 100 } else { 150 };
    // Even where the rates allow it: an odd block has its middle between two samples.
    (from_hz / blocks_per_second / 2 * 2).max(1) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(frequency_hz: f32, rate_hz: u32, seconds: f32) -> Vec<f32> {
        let count = (rate_hz as f32 * seconds) as usize;
        (0..count).map(|n| 0.5 * (std::f32::consts::TAU * frequency_hz * n as f32 / rate_hz as f32).sin()).collect()
    }

    fn largest_error(got: &[f32], wanted: &[f32]) -> f32 {
        // The edges ring: a tone that starts at once is not band-limited.
        let edge = got.len() / 10;
        got.iter().zip(wanted).skip(edge).take(got.len() - 2 * edge).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_stays_the_same_tone_in_step() {
        for (from_hz, to_hz) in
            [(48_000, 16_000), (22_050, 48_000), (44_100, 48_000), (8_000, 48_000), (16_000, 48_000)]
        {
            let out = Resampler::convert(&tone(1_000.0, from_hz, 0.5), from_hz, to_hz).unwrap();
            assert_eq!(out.len(), (to_hz / 2) as usize);
            let error = largest_error(&out, &tone(1_000.0, to_hz, 0.5));
            // A block of odd length has its middle between two samples, so half an input sample of shift is in order.
            let half_a_sample =
                if from_hz == 22_050 { 0.5 * std::f32::consts::TAU * 1_000.0 / 22_050.0 / 2.0 } else { 0.0 };
            assert!(error < half_a_sample + 2e-3, "{from_hz} -> {to_hz}: off by {error}");
        }
    }

    #[test]
    fn what_the_lower_rate_can_not_hold_is_removed() {
        let out = Resampler::convert(&tone(11_000.0, 48_000, 0.5), 48_000, 16_000).unwrap();
        assert!(crate::level::rms_dbfs(&out[800..7_000]) < -60.0);
    }

    #[test]
    fn a_frame_in_is_a_frame_out_after_the_delay() {
        let mut resampler = Resampler::new(48_000, 16_000).unwrap();
        let sizes: Vec<usize> = (0..5).map(|_| resampler.push(&[0.0; 480]).len()).collect();
        assert_eq!(sizes, [80, 160, 160, 160, 160]);
    }

    #[test]
    fn impossible_rates_are_refused() {
        assert_eq!(Resampler::new(0, 16_000).unwrap_err(), Error::Rate(0));
        assert_eq!(Resampler::new(48_000, u32::MAX).unwrap_err(), Error::Rate(u32::MAX));
    }

    #[test]
    fn equal_rates_pass_through() {
        let mut resampler = Resampler::new(16_000, 16_000).unwrap();
        assert_eq!(resampler.push(&[0.1, 0.2]), [0.1, 0.2]);
        assert!(resampler.flush().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn pieces_give_what_the_whole_gives(
            from_hz in prop::sample::select(vec![8_000u32, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]),
            to_hz in prop::sample::select(vec![16_000u32, 48_000]),
            samples in prop::collection::vec(-1.0f32..1.0, 0..3_000),
            piece in 1usize..700,
        ) {
            let whole = Resampler::convert(&samples, from_hz, to_hz).unwrap();
            prop_assert_eq!(whole.len() as u64, (samples.len() as u64 * u64::from(to_hz)).div_ceil(from_hz.into()));
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            for _ in 0..2 {
                let mut out = Vec::new();
                for piece in samples.chunks(piece) {
                    out.extend(resampler.push(piece));
                }
                out.extend(resampler.flush());
                prop_assert_eq!(&out, &whole);
            }
        }
    }
}
