//! What Whisper's networks see instead of samples: how loud each of 80 pitches is, a hundred times a second.
//!
//! The same numbers as OpenAI's and Hugging Face's feature extractors give, up to rounding: a network that was trained
//! on those hears the wrong thing with any other window, padding or scale of pitches.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::RECOGNITION_HZ;

/// Pitches, from 0 to 8 kHz.
pub const MELS: usize = 80;

/// Samples from one column to the next: 10 ms.
pub const HOP: usize = 160;

/// Samples that a column looks at, half of them before its time: 25 ms.
const WINDOW: usize = 400;

/// Power that counts as silence, whatever else is there.
const FLOOR: f32 = 1e-10;

/// Power below the loudest that is not looked at any more: 80 dB.
const RANGE: f32 = 1e-8;

/// Computes log-mel spectrograms of sound at 16 kHz. Making one costs about as much as using it once: keep it.
#[derive(Clone)]
pub struct LogMel {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Arc<[f32]>,
    filters: Arc<[Filter]>,
}

/// One pitch: how much each bin of a spectrum counts, from the first that does.
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl LogMel {
    pub fn new() -> Self {
        // Periodic: it has its end in common with the next one's beginning.
        let hann = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / WINDOW as f64).cos();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: (0..WINDOW).map(|n| hann(n) as f32).collect(),
            filters: filters().into(),
        }
    }

    /// [`MELS`] rows of `samples.len() / HOP` columns, row after row. A step of 0.25 is 10 dB, and nothing is more than
    /// 2 below the loudest.
    ///
    /// Beyond its ends the sound is thought to go on as its own mirror image. What is not a number counts as silence.
    pub fn spectrogram(&self, samples: &[f32]) -> Vec<f32> {
        let columns = samples.len() / HOP;
        let mut rows = vec![0.0; MELS * columns];
        let mut piece = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = vec![0.0; spectrum.len()];
        let mut loudest = FLOOR;
        for column in 0..columns {
            cut(samples, column * HOP, &mut piece);
            piece.iter_mut().zip(&*self.window).for_each(|(sample, weight)| *sample *= weight);
            if self.fft.process_with_scratch(&mut piece, &mut spectrum, &mut scratch).is_err() {
                // The lengths are the transform's own, so it has nothing to refuse; if it ever does, this is silence.
                spectrum.fill(Complex::default());
            }
            power.iter_mut().zip(&spectrum).for_each(|(power, bin)| *power = bin.norm_sqr());
            for (mel, filter) in self.filters.iter().enumerate() {
                let loudness = filter.apply(&power);
                loudest = loudest.max(loudness);
                rows[mel * columns + column] = loudness;
            }
        }
        let floor = FLOOR.max(loudest * RANGE);
        for value in &mut rows {
            *value = (value.max(floor).log10() + 4.0) / 4.0;
        }
        rows
    }
}

impl Default for LogMel {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for LogMel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LogMel")
    }
}

/// Shifts and scales the samples to a mean of 0 and a variance of 1, so that a far voice looks like a near one. Silence
/// stays silence.
pub fn normalize(samples: &mut [f32]) {
    let count = samples.len().max(1) as f64;
    let mean = samples.iter().copied().map(f64::from).sum::<f64>() / count;
    let variance = samples.iter().map(|&sample| (f64::from(sample) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance + 1e-7).sqrt();
    samples.iter_mut().for_each(|sample| *sample = ((f64::from(*sample) - mean) * scale) as f32);
}

/// The samples around `middle`, mirrored where there are none.
fn cut(samples: &[f32], middle: usize, piece: &mut [f32]) {
    let before = piece.len() / 2;
    if middle >= before && middle + before <= samples.len() {
        piece.copy_from_slice(&samples[middle - before..middle + before]);
        return;
    }
    // There and back again: the ends are not said twice.
    let round = (2 * samples.len()).saturating_sub(2).max(1);
    for (n, sample) in piece.iter_mut().enumerate() {
        // As many whole rounds ahead as it takes to count from the start.
        let place = (middle + n + round * before - before) % round;
        *sample = samples[place.min(round - place)];
    }
}

impl Filter {
    fn apply(&self, power: &[f32]) -> f32 {
        self.weights.iter().zip(&power[self.first_bin..]).map(|(weight, power)| weight * power).sum()
    }
}

/// Triangles on Slaney's scale of pitches, which overlap by half and have an area of 1.
fn filters() -> Vec<Filter> {
    let bins = WINDOW / 2 + 1;
    let nyquist = f64::from(RECOGNITION_HZ) / 2.0;
    let hertz_of_bin = |bin: usize| nyquist * bin as f64 / (bins - 1) as f64;
    let corner = |index: usize| hertz_of_mel(mel_of_hertz(nyquist) * index as f64 / (MELS + 1) as f64);
    let filter = |mel: usize| {
        let (low, middle, high) = (corner(mel), corner(mel + 1), corner(mel + 2));
        let height = |bin: usize| {
            let rising = (hertz_of_bin(bin) - low) / (middle - low);
            let falling = (high - hertz_of_bin(bin)) / (high - middle);
            2.0 / (high - low) * rising.min(falling)
        };
        let first_bin = (0..bins).find(|&bin| height(bin) > 0.0).unwrap_or(0);
        let weights = (first_bin..bins).map(height).take_while(|&height| height > 0.0).map(|height| height as f32);
        Filter { first_bin, weights: weights.collect() }
    };
    (0..MELS).map(filter).collect()
}

/// Up to 1 kHz a mel is 66.7 Hz; above, 27 of them are a factor of 6.4.
const MEL_OF_1_KHZ: f64 = 15.0;

fn mel_of_hertz(hertz: f64) -> f64 {
    if hertz < 1_000.0 { hertz * 0.015 } else { MEL_OF_1_KHZ + 27.0 * (hertz / 1_000.0).ln() / 6.4f64.ln() }
}

fn hertz_of_mel(mel: f64) -> f64 {
    if mel < MEL_OF_1_KHZ { mel / 0.015 } else { 1_000.0 * 6.4f64.powf((mel - MEL_OF_1_KHZ) / 27.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The last 8 s of a recording and of `silence` samples after it, normalized.
    fn eight_seconds(name: &str, silence: usize) -> Vec<f32> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/audio").join(name);
        let mut samples = crate::wav::read(&std::fs::read(path).unwrap()).unwrap().samples;
        samples.extend(std::iter::repeat_n(0.0, silence));
        let length = 8 * RECOGNITION_HZ as usize;
        let mut last = vec![0.0; length.saturating_sub(samples.len())];
        last.extend(&samples[samples.len().saturating_sub(length)..]);
        normalize(&mut last);
        last
    }

    /// What pipecat 1.14's extractor, the one that Smart Turn is used with, makes of the same samples: the sum of all
    /// values, and some of them as (row, values at the columns).
    type Reference<'a> = (f64, [usize; 6], &'a [(usize, [f32; 6])]);

    fn assert_close(rows: &[f32], (sum, columns, values): Reference<'_>) {
        assert_eq!(rows.len(), MELS * 800);
        for (mel, expected) in values {
            let found = columns.map(|column| rows[mel * 800 + column]);
            let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 2e-4);
            assert!(close, "row {mel}: {found:?} instead of {expected:?}");
        }
        let found: f64 = rows.iter().copied().map(f64::from).sum();
        assert!((found - sum).abs() < 1.0, "{found} instead of {sum}");
    }

    #[test]
    fn speech_after_silence_looks_as_whisper_learned_it() {
        let rows = LogMel::new().spectrogram(&eight_seconds("cmd11.wav", 3_200));
        let values = [
            (0, [-0.0492, 0.6584, 1.5427, 1.4736, 1.6148, -0.0492]),
            (1, [-0.0492, 1.5309, 1.7479, 1.5479, 1.8331, -0.0492]),
            (10, [-0.0492, 1.6751, 1.7130, 1.0699, 1.4442, -0.0492]),
            (25, [-0.0492, 1.6090, 1.0478, 0.2868, 0.7264, -0.0492]),
            (40, [-0.0492, 0.8457, 1.3215, 0.4096, 0.8505, -0.0492]),
            (60, [-0.0492, 0.8494, 1.0325, 0.2588, 0.8195, -0.0492]),
            (79, [-0.0492, 0.3369, 0.3538, -0.0492, 0.0893, -0.0492]),
        ];
        assert_close(&rows, (6317.136, [0, 640, 660, 700, 730, 790], &values));
    }

    #[test]
    fn sound_that_is_cut_off_goes_on_as_its_mirror_image() {
        let rows = LogMel::new().spectrogram(&eight_seconds("jfk.wav", 0));
        let values = [
            (0, [0.8209, 0.2563, 0.5426, 0.5783, 0.6614, 0.6127]),
            (1, [0.9155, 0.7134, 0.8659, 0.7255, 0.6901, 0.6498]),
            (10, [0.7077, 0.6692, 1.1907, 0.7474, 1.1663, 1.0190]),
            (25, [0.1132, 0.3970, 1.4897, 0.0442, 1.0788, 1.1933]),
            (40, [0.3525, 0.2863, 1.2675, 0.1079, 1.2006, 1.0887]),
            (60, [0.0991, 0.0597, 0.7815, 0.1263, 0.4881, 0.3601]),
            (79, [-0.1079, -0.1079, -0.1079, -0.1079, -0.1079, -0.1079]),
        ];
        assert_close(&rows, (36_974.14, [0, 1, 250, 500, 798, 799], &values));
    }

    #[test]
    fn a_tone_is_loudest_at_its_pitch() {
        let log_mel = LogMel::new();
        for (hertz, expected) in [(200.0, 4), (1_000.0, 26), (4_000.0, 61)] {
            let tone = |n: usize| (std::f32::consts::TAU * hertz * n as f32 / RECOGNITION_HZ as f32).sin();
            let rows = log_mel.spectrogram(&(0..1_600).map(tone).collect::<Vec<_>>());
            let column: Vec<f32> = rows.chunks(10).map(|row| row[5]).collect();
            let loudest = (0..MELS).max_by(|&a, &b| column[a].total_cmp(&column[b])).unwrap();
            assert!(loudest.abs_diff(expected) <= 1, "{hertz} Hz is in row {loudest}");
        }
    }

    #[test]
    fn silence_is_silent_and_nothing_is_nothing() {
        let log_mel = LogMel::new();
        let mut silence = vec![0.0; 1_000];
        normalize(&mut silence);
        assert_eq!(log_mel.spectrogram(&silence), [-1.5; MELS * 6]);
        assert!(log_mel.spectrogram(&[]).is_empty());
        normalize(&mut []);
    }

    #[test]
    fn loudness_and_offset_do_not_matter_once_normalized() {
        let quiet: Vec<f32> = (0..4_000).map(|n| 0.2 + 0.01 * (n as f32 * 0.3).sin()).collect();
        let mut loud: Vec<f32> = quiet.iter().map(|sample| 50.0 * (sample - 0.1)).collect();
        let mut quiet = quiet;
        normalize(&mut quiet);
        normalize(&mut loud);
        assert!(quiet.iter().zip(&loud).all(|(a, b)| (a - b).abs() < 2e-3));
    }

    proptest! {
        #[test]
        fn whatever_comes_becomes_numbers_within_80_db(
            samples in prop::collection::vec(prop_oneof![9 => -1.0f32..1.0, 1 => Just(f32::NAN)], 0..2_000),
        ) {
            let rows = LogMel::new().spectrogram(&samples);
            prop_assert_eq!(rows.len(), MELS * (samples.len() / HOP));
            let loudest = rows.iter().copied().fold(f32::MIN, f32::max);
            prop_assert!(rows.iter().all(|value| value.is_finite() && *value >= loudest - 2.001));
        }
    }
}
