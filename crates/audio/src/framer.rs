//! Cuts a stream of samples that comes in pieces of any length into frames of one length.

use crate::rates::{FRAME_MS, samples_in_ms};

/// Collects samples and gives them back in frames of exactly `frame_len`.
#[derive(Debug, Clone)]
pub struct Framer<T> {
    frame_len: usize,
    pending: Vec<T>,
}

impl<T: Copy + Default> Framer<T> {
    /// A framer for frames of `frame_len` samples; a length of zero counts as one.
    pub fn new(frame_len: usize) -> Self {
        Self { frame_len: frame_len.max(1), pending: Vec::new() }
    }

    /// A framer for the 10 ms frames of a room at `rate_hz`.
    pub fn for_room(rate_hz: u32) -> Self {
        Self::new(samples_in_ms(rate_hz, FRAME_MS))
    }

    /// Adds samples and returns the frames that became whole, in order.
    pub fn push(&mut self, samples: &[T]) -> Vec<Vec<T>> {
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / self.frame_len * self.frame_len;
        let frames = self.pending[..whole].chunks_exact(self.frame_len).map(<[T]>::to_vec).collect();
        self.pending.drain(..whole);
        frames
    }

    /// The samples that wait for company, filled up with silence to one frame; `None` when nothing waits.
    pub fn flush(&mut self) -> Option<Vec<T>> {
        if self.pending.is_empty() {
            return None;
        }
        let mut frame = std::mem::take(&mut self.pending);
        frame.resize(self.frame_len, T::default());
        Some(frame)
    }

    /// Forgets what waits: the stream it belonged to was cut off.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    pub fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// How many samples wait for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_are_equal_and_lose_nothing(
            frame_len in 1usize..40,
            pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..50), 0..10),
        ) {
            let mut framer = Framer::new(frame_len);
            let mut out = Vec::new();
            for piece in &pieces {
                for frame in framer.push(piece) {
                    prop_assert_eq!(frame.len(), frame_len);
                    out.extend(frame);
                }
                prop_assert!(framer.pending() < frame_len);
            }
            out.extend(framer.flush().unwrap_or_default());
            let given: Vec<i16> = pieces.concat();
            prop_assert_eq!(&out[..given.len()], &given[..]);
            prop_assert!(out[given.len()..].iter().all(|&sample| sample == 0));
            prop_assert!(framer.flush().is_none());
        }
    }
}
