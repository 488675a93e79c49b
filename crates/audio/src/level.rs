//! How loud a piece of sound is.

/// What digital silence counts as: a floor instead of minus infinity, below anything 24 bits can hold.
pub const SILENCE_DBFS: f32 = -150.0;

/// Root-mean-square level in dB below full scale (a full-scale square wave is 0 dB), never below [`SILENCE_DBFS`].
pub fn rms_dbfs(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return SILENCE_DBFS;
    }
    let power: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    to_dbfs((power / samples.len() as f64).sqrt())
}

/// The same for PCM16.
pub fn rms_dbfs_pcm16(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return SILENCE_DBFS;
    }
    let power: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    to_dbfs((power / samples.len() as f64).sqrt() / 32_768.0)
}

/// Level of the loudest single sample.
pub fn peak_dbfs(samples: &[f32]) -> f32 {
    to_dbfs(samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs())).into())
}

fn to_dbfs(amplitude: f64) -> f32 {
    let level = (20.0 * amplitude.log10()) as f32;
    if level.is_nan() { SILENCE_DBFS } else { level.max(SILENCE_DBFS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        assert_eq!(rms_dbfs(&[]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[0.0; 100]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[1.0, -1.0, 1.0, -1.0]), 0.0);
        assert!((rms_dbfs(&[0.1; 100]) + 20.0).abs() < 0.01);
        assert!((rms_dbfs_pcm16(&[3277; 100]) + 20.0).abs() < 0.01);
        assert!((peak_dbfs(&[0.0, -0.5, 0.1]) + 6.02).abs() < 0.01);
        assert_eq!(rms_dbfs(&[f32::NAN]), SILENCE_DBFS);
    }
}
