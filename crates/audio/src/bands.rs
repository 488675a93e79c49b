//! The colour of sound: how loud each of twelve bands of pitches is, a hundred times a second.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::{FRAME_MS, ROOM_HZ, samples_in_ms};

pub const BANDS: usize = 12;

/// Loudness of each band in dB, lowest pitches first; only differences mean something.
pub type Colour = [f32; BANDS];

/// What silence looks like.
pub const SILENCE: Colour = [-70.0; BANDS];

/// What speech is made of, and what every telephone carries.
const LOWEST_HZ: f32 = 200.0;
const HIGHEST_HZ: f32 = 4_000.0;
/// Power of the quietest sound that is told from silence.
const FLOOR: f32 = 1e-7;
/// Two frames: bins are 50 Hz apart then.
const WINDOW: usize = 2 * samples_in_ms(ROOM_HZ, FRAME_MS);

/// Measures one stream of 48 kHz.
pub struct ColourMeter {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// Which bin of the spectrum belongs to which band.
    bins: Vec<(usize, usize)>,
    /// The newest samples, oldest first.
    samples: Vec<f32>,
    piece: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
}

impl ColourMeter {
    pub fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(WINDOW);
        let hann = |n: usize| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / WINDOW as f32).cos();
        let (piece, spectrum) = (fft.make_input_vec(), fft.make_output_vec());
        let hz = |bin: usize| bin as f32 * ROOM_HZ as f32 / WINDOW as f32;
        let bins = (0..spectrum.len()).filter_map(|bin| Some((bin, band_of(hz(bin))?))).collect();
        Self { fft, window: (0..WINDOW).map(hann).collect(), bins, samples: vec![0.0; WINDOW], piece, spectrum }
    }

    /// Takes the next frame, any length, and looks at the last 20 ms.
    pub fn push(&mut self, frame: &[i16]) -> Colour {
        self.samples.extend(frame.iter().map(|&sample| f32::from(sample) / 32_768.0));
        self.samples.drain(..self.samples.len() - WINDOW);
        for (piece, (sample, weight)) in self.piece.iter_mut().zip(self.samples.iter().zip(&self.window)) {
            *piece = sample * weight;
        }
        if self.fft.process(&mut self.piece, &mut self.spectrum).is_err() {
            // The lengths are the transform's own, so it has nothing to refuse; if it ever does, this is silence.
            return SILENCE;
        }
        let mut powers = [0.0; BANDS];
        for &(bin, band) in &self.bins {
            powers[band] += self.spectrum[bin].norm_sqr();
        }
        powers.map(|power: f32| 10.0 * (power / WINDOW as f32 + FLOOR).log10())
    }
}

impl Default for ColourMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ColourMeter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ColourMeter").finish_non_exhaustive()
    }
}

/// Bands are equally wide to the ear.
fn band_of(hz: f32) -> Option<usize> {
    let place = (hz / LOWEST_HZ).ln() / (HIGHEST_HZ / LOWEST_HZ).ln() * BANDS as f32;
    (0.0..BANDS as f32).contains(&place).then_some(place as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, amplitude: f32) -> Vec<i16> {
        (0..WINDOW)
            .map(|n| (amplitude * (std::f32::consts::TAU * hz * n as f32 / ROOM_HZ as f32).sin() * 32_767.0) as i16)
            .collect()
    }

    #[test]
    fn each_band_holds_a_bin_and_a_tone_is_loudest_in_its_own() {
        assert_eq!(
            (band_of(150.0), band_of(200.0), band_of(3_999.0), band_of(4_001.0)),
            (None, Some(0), Some(11), None)
        );
        for band in 0..BANDS {
            let centre = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf((band as f32 + 0.5) / BANDS as f32);
            let nearest_bin = (centre / 50.0).round() * 50.0;
            let band = band_of(nearest_bin).unwrap();
            let colour = ColourMeter::new().push(&tone(nearest_bin, 0.1));
            let loudest = (0..BANDS).max_by(|one, other| colour[*one].total_cmp(&colour[*other])).unwrap();
            assert_eq!(loudest, band, "{nearest_bin} Hz: {colour:?}");
        }
        assert_eq!(
            (0..81).filter_map(|bin| band_of(bin as f32 * 50.0)).collect::<std::collections::BTreeSet<_>>().len(),
            BANDS
        );
    }

    #[test]
    fn half_the_amplitude_is_six_decibels_less_and_silence_is_the_floor() {
        let (loud, quiet) =
            (ColourMeter::new().push(&tone(1_000.0, 0.2)), ColourMeter::new().push(&tone(1_000.0, 0.1)));
        let band = band_of(1_000.0).unwrap();
        assert!((loud[band] - quiet[band] - 6.02).abs() < 0.1, "{loud:?} {quiet:?}");
        let mut meter = ColourMeter::new();
        meter.push(&tone(1_000.0, 0.2));
        assert_eq!(meter.push(&[0; WINDOW]), SILENCE);
    }
}
