//! Where we put the audio that others are to hear.

use std::sync::Arc;

use crate::ffi::{self, Handle, runtime, wire};
use crate::{AudioFrame, Error};

/// A queue of audio that a [`LocalAudioTrack`](crate::LocalAudioTrack) sends in real time. Cheap to clone.
///
/// Keep the queue short (10–50 ms) and await each capture: then the sender's pace is the speaker's, and little is left to clear
/// when someone interrupts. A queue of zero loses audio, so less than 10 ms is taken as 10.
#[derive(Debug, Clone)]
pub struct NativeAudioSource {
    handle: Arc<Handle>,
    sample_rate: u32,
    num_channels: u32,
}

impl NativeAudioSource {
    /// # Errors
    /// When the library is not loaded or refuses the format.
    pub fn new(sample_rate_hz: u32, channels: u32, queue_size_ms: u32) -> Result<Self, Error> {
        let operation = "create an audio source";
        let runtime = runtime()?;
        let request = wire::NewAudioSourceRequest {
            r#type: wire::AudioSourceType::AudioSourceNative.into(),
            options: Some(wire::AudioSourceOptions::default()),
            sample_rate: Some(sample_rate_hz),
            num_channels: Some(channels),
            queue_size_ms: Some(queue_size_ms.max(10)),
        };
        match runtime.request(operation, wire::ffi_request::Message::NewAudioSource(request))? {
            wire::ffi_response::Message::NewAudioSource(response) => Ok(Self {
                handle: Arc::new(Handle::new(runtime, response.source.handle)),
                sample_rate: sample_rate_hz,
                num_channels: channels,
            }),
            _ => Err(ffi::Error::Unexpected { operation }.into()),
        }
    }

    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub fn num_channels(&self) -> u32 {
        self.num_channels
    }

    /// Resolves when the queue has taken the frame, which is not when it is heard.
    ///
    /// # Errors
    /// When the frame's format is not the source's.
    pub async fn capture_frame(&self, frame: &AudioFrame) -> Result<(), Error> {
        if frame.data.is_empty() {
            return Ok(());
        }
        if frame.sample_rate != self.sample_rate || frame.num_channels != self.num_channels {
            return Err(Error::Format {
                sample_rate: frame.sample_rate,
                num_channels: frame.num_channels,
                expected_sample_rate: self.sample_rate,
                expected_num_channels: self.num_channels,
            });
        }
        match self.handle.runtime().capture(&self.handle, frame).await? {
            Some(reason) => Err(Error::Rejected { operation: "capture audio", reason }),
            None => Ok(()),
        }
    }

    /// Throws away what is queued. Stop feeding first. The far end falls silent 50–75 ms later.
    pub fn clear_buffer(&self) {
        let request = wire::ClearAudioBufferRequest { source_handle: self.handle.id() };
        let cleared =
            self.handle.runtime().request("clear queued audio", wire::ffi_request::Message::ClearAudioBuffer(request));
        if let Err(error) = cleared {
            tracing::warn!(%error, "queued audio was not cleared");
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}
