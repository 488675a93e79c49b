//! What keeps our own voice, coming back through somebody's loudspeaker and microphone, from being heard as theirs.

use crate::Error;
use crate::ffi::{self, Handle, runtime, wire};

/// WebRTC's echo canceller for one microphone, with its high-pass filter. It finds the delay of the echo by itself, up to
/// half a second, and needs a few hundred milliseconds of echo for it.
///
/// Show it all that is [`played`](Self::played) and all that is [`heard`](Self::heard), frame by frame in turns: it counts
/// frames, and one that is left out on one side shifts the echo by 10 ms. Frames may be left out on both sides at once.
///
/// What is heard comes out 5 to 9 ms later. The library's noise suppression is off: it adds 6 ms, and what echo is left
/// without it is too little for voice activity detection already. Its gain control is off because it would make that little
/// louder.
#[derive(Debug)]
pub struct EchoCanceller {
    handle: Handle,
    sample_rate: u32,
    num_channels: u32,
    /// What was played, where the library may write.
    played: Vec<i16>,
}

impl EchoCanceller {
    /// For 8, 16, 32 or 48 kHz.
    ///
    /// # Errors
    /// When the library is not loaded or can't process the format.
    pub fn new(sample_rate_hz: u32, channels: u32) -> Result<Self, Error> {
        let operation = "create an echo canceller";
        let runtime = runtime()?;
        if ![8_000, 16_000, 32_000, 48_000].contains(&sample_rate_hz) || !(1..=2).contains(&channels) {
            let reason = format!("it takes 8, 16, 32 or 48 kHz, mono or stereo; not {sample_rate_hz} Hz × {channels}");
            return Err(Error::Rejected { operation, reason });
        }
        let request = wire::NewApmRequest {
            echo_canceller_enabled: true,
            gain_controller_enabled: false,
            high_pass_filter_enabled: true,
            noise_suppression_enabled: false,
        };
        match runtime.request(operation, wire::ffi_request::Message::NewApm(request))? {
            wire::ffi_response::Message::NewApm(response) => Ok(Self {
                handle: Handle::new(runtime, response.apm.handle),
                sample_rate: sample_rate_hz,
                num_channels: channels,
                played: Vec::new(),
            }),
            _ => Err(ffi::Error::Unexpected { operation }.into()),
        }
    }

    /// Takes 10 ms of what is sent to the room.
    ///
    /// # Errors
    /// When the frame has another length, or the library fails.
    pub fn played(&mut self, frame: &[i16]) -> Result<(), Error> {
        self.check(frame)?;
        self.played.clear();
        self.played.extend_from_slice(frame);
        let (rate, channels) = (self.sample_rate, self.num_channels);
        let played = self.handle.runtime().process_reverse_stream(&self.handle, &mut self.played, rate, channels);
        processed(played?)
    }

    /// Takes the echo out of 10 ms of the microphone, in place.
    ///
    /// # Errors
    /// When the frame has another length, or the library fails; the frame is then as it was or partly processed.
    pub fn heard(&mut self, frame: &mut [i16]) -> Result<(), Error> {
        self.check(frame)?;
        let (rate, channels) = (self.sample_rate, self.num_channels);
        processed(self.handle.runtime().process_stream(&self.handle, frame, rate, channels)?)
    }

    /// The library panics over any other length, and with it the process is lost.
    fn check(&self, frame: &[i16]) -> Result<(), Error> {
        let expected = (self.sample_rate / 100 * self.num_channels) as usize;
        if frame.len() == expected { Ok(()) } else { Err(Error::FrameLength { samples: frame.len(), expected }) }
    }
}

fn processed(error: Option<String>) -> Result<(), Error> {
    match error.filter(|reason| !reason.is_empty()) {
        Some(reason) => Err(Error::Rejected { operation: "cancel echo", reason }),
        None => Ok(()),
    }
}
