use std::collections::VecDeque;

use aether_audio::{ROOM_HZ, samples_in_ms};

/// From the loudspeaker through the air and the devices into the microphone.
const DELAY_MS: u32 = 120;
/// -15 dB.
const GAIN: f32 = 0.177_828;
/// Sound that came faster than the microphone takes it is dropped beyond this: the echo must not fall behind.
const MOST_AHEAD_MS: u32 = 200;

/// The agent's own voice on its way back into the microphone, as with a speakerphone.
pub(super) struct Echo {
    /// What is still in the air, at 48 kHz.
    in_the_air: VecDeque<i16>,
}

impl Echo {
    pub(super) fn new() -> Self {
        Self { in_the_air: VecDeque::from(vec![0; samples_in_ms(ROOM_HZ, DELAY_MS)]) }
    }

    /// The loudspeaker plays this.
    pub(super) fn heard(&mut self, frame: &[i16]) {
        self.in_the_air.extend(frame);
        let most = samples_in_ms(ROOM_HZ, DELAY_MS + MOST_AHEAD_MS);
        let late = self.in_the_air.len().saturating_sub(most);
        self.in_the_air.drain(..late);
    }

    /// The frame that the microphone takes now, with the echo in it.
    pub(super) fn mixed_into(&mut self, frame: &[i16]) -> Vec<i16> {
        let returned = |sample: Option<i16>| (f32::from(sample.unwrap_or_default()) * GAIN) as i16;
        frame.iter().map(|&sample| sample.saturating_add(returned(self.in_the_air.pop_front()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_voice_returns_after_its_way_and_quieter() {
        let mut echo = Echo::new();
        let frame = samples_in_ms(ROOM_HZ, 10);
        for late_ms in (0..DELAY_MS).step_by(10) {
            echo.heard(&vec![10_000; frame]);
            let heard = echo.mixed_into(&vec![1; frame]);
            assert!(heard.iter().all(|&sample| sample == 1), "nothing is back after {late_ms} ms");
        }
        let heard = echo.mixed_into(&vec![1; frame]);
        assert!(heard.iter().all(|&sample| sample == 1_779), "{}", heard[0]);
    }

    #[test]
    fn an_echo_never_falls_behind() {
        let mut echo = Echo::new();
        for _ in 0..1_000 {
            echo.heard(&[1; 480]);
        }
        assert_eq!(echo.in_the_air.len(), samples_in_ms(ROOM_HZ, DELAY_MS + MOST_AHEAD_MS));
    }
}
