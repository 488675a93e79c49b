//! A short piece of audio, on its way into or out of a track.

use std::time::Duration;

/// Interleaved 16-bit PCM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    pub data: Vec<i16>,
    /// In Hz.
    pub sample_rate: u32,
    pub num_channels: u32,
    pub samples_per_channel: u32,
}

impl AudioFrame {
    /// Samples beyond the last whole one of every channel are cut off. `num_channels` of zero is taken as one.
    pub fn new(mut data: Vec<i16>, sample_rate: u32, num_channels: u32) -> Self {
        let num_channels = num_channels.max(1);
        let samples_per_channel = data.len() / num_channels as usize;
        data.truncate(samples_per_channel * num_channels as usize);
        Self {
            data,
            sample_rate,
            num_channels,
            samples_per_channel: u32::try_from(samples_per_channel).unwrap_or(u32::MAX),
        }
    }

    pub fn mono(data: Vec<i16>, sample_rate: u32) -> Self {
        Self::new(data, sample_rate, 1)
    }

    pub fn duration(&self) -> Duration {
        if self.sample_rate == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(u64::from(self.samples_per_channel) * 1_000_000_000 / u64::from(self.sample_rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_knows_its_length_in_time() {
        assert_eq!(AudioFrame::mono(vec![0; 480], 48_000).duration(), Duration::from_millis(10));
        assert_eq!(AudioFrame::new(vec![0; 961], 48_000, 2).samples_per_channel, 480);
        assert_eq!(AudioFrame::mono(vec![0; 480], 0).duration(), Duration::ZERO);
    }
}
