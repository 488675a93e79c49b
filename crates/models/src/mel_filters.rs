//! The filters that turn a spectrum into what Whisper hears. The file format carries them, so that no reader computes its own.

const SAMPLE_RATE_HZ: f64 = 16_000.0;
/// Bins of a spectrum of 400 samples.
pub(crate) const FREQUENCY_BINS: usize = 201;

/// Triangular filters on Slaney's mel scale, each of unit area: the ones Whisper was trained with.
pub(crate) fn mel_filters(mels: usize) -> Vec<f32> {
    let top = hertz_to_mel_of_nyquist();
    let corner = |index: usize| hertz_of_mel(top * index as f64 / (mels + 1) as f64);
    let corners: Vec<f64> = (0..mels + 2).map(corner).collect();
    let mut filters = Vec::with_capacity(mels * FREQUENCY_BINS);
    for triangle in corners.windows(3) {
        let &[low, middle, high] = triangle else { continue };
        let area = 2.0 / (high - low);
        for bin in 0..FREQUENCY_BINS {
            let frequency = SAMPLE_RATE_HZ / 2.0 * bin as f64 / (FREQUENCY_BINS - 1) as f64;
            let rising = (frequency - low) / (middle - low);
            let falling = (high - frequency) / (high - middle);
            // Rounded twice, as in the original.
            let height = rising.min(falling).max(0.0) as f32;
            filters.push((f64::from(height) * area) as f32);
        }
    }
    filters
}

/// ln 6.4: above 1 kHz, 27 mels are a factor of 6.4.
const LN_6_4: f64 = 1.856_297_990_365_626_3;

/// 8 kHz is three doublings above 1 kHz, which is mel 15.
fn hertz_to_mel_of_nyquist() -> f64 {
    15.0 + 27.0 * 3.0 * std::f64::consts::LN_2 / LN_6_4
}

/// Linear below 1 kHz, exponential above.
fn hertz_of_mel(mel: f64) -> f64 {
    if mel < 15.0 {
        return mel * 200.0 / 3.0;
    }
    let exponent = (mel - 15.0) * LN_6_4 / 27.0;
    // The power series instead of `exp`, whose last digit differs between machines.
    let (mut sum, mut term) = (1.0, 1.0);
    for order in 1..40 {
        term *= exponent / f64::from(order);
        sum += term;
    }
    1000.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mel_filters_are_those_whisper_was_trained_with() {
        let filters = mel_filters(80);
        assert_eq!(filters.len(), 80 * FREQUENCY_BINS);
        // Published values of the first and the last filter.
        assert_eq!(filters[0], 0.0);
        assert!((filters[1] - 0.024_862_593).abs() < 1e-8, "{}", filters[1]);
        assert!((hertz_of_mel(hertz_to_mel_of_nyquist()) - 8000.0).abs() < 1e-9);
        assert!(filters.iter().all(|height| (0.0..0.05).contains(height)));
    }
}
