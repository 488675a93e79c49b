//! PCM16 in its three shapes: little-endian bytes on a wire, `i16` in a room, `f32` to compute with.

/// An odd number of bytes can't be 16-bit samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are not a whole number of 16-bit samples")]
pub struct OddLength {
    pub bytes: usize,
}

/// Little-endian bytes to samples.
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<i16>, OddLength> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect())
    } else {
        Err(OddLength { bytes: bytes.len() })
    }
}

/// Samples to little-endian bytes.
pub fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// -32768..=32767 to -1.0..1.0.
pub fn to_f32(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}

/// -1.0..=1.0 to PCM16, rounded; what lies outside is clipped, what is not a number is silence.
pub fn from_f32(samples: &[f32]) -> Vec<i16> {
    // `as` saturates, and maps NaN to 0.
    samples.iter().map(|&sample| (sample * 32_768.0).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_outside_is_clipped() {
        assert_eq!(from_f32(&[1.5, -1.5, f32::NAN, f32::INFINITY, 0.0]), [i16::MAX, i16::MIN, 0, i16::MAX, 0]);
        assert_eq!(from_bytes(&[1, 2, 3]), Err(OddLength { bytes: 3 }));
    }

    proptest! {
        #[test]
        fn every_shape_keeps_every_sample(samples in prop::collection::vec(any::<i16>(), 0..200)) {
            prop_assert_eq!(from_bytes(&to_bytes(&samples)).unwrap(), samples.clone());
            prop_assert_eq!(from_f32(&to_f32(&samples)), samples);
        }
    }
}
