//! What another participant is saying, frame by frame.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::ffi::{self, Handle, wire};
use crate::{AudioFrame, Error, RemoteAudioTrack};

/// Audio that may wait for its consumer.
const QUEUE_MS: u32 = 2_000;

/// The audio of one remote track, resampled by the library to the format asked for. Use [`next`](Self::next), or as a
/// [`Stream`]. Ends when the track does; dropping it stops the flow.
///
/// A silent participant sends silence or nothing: the absence of frames is not the end.
#[derive(Debug)]
pub struct NativeAudioStream {
    handle: Handle,
    /// The library ends the stream when the track's handle is dropped.
    _track: RemoteAudioTrack,
    frames: mpsc::Receiver<AudioFrame>,
    dropped: Arc<AtomicU64>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
}

impl NativeAudioStream {
    /// # Errors
    /// When the library refuses the format or no longer knows the track.
    pub fn new(
        track: &RemoteAudioTrack,
        sample_rate_hz: u32,
        channels: u32,
        frame_size_ms: u32,
    ) -> Result<Self, Error> {
        let operation = "listen to a track";
        let runtime = track.handle().runtime();
        let frame_size_ms = frame_size_ms.max(10);
        let request = wire::NewAudioStreamRequest {
            track_handle: track.handle().id(),
            r#type: wire::AudioStreamType::AudioStreamNative.into(),
            sample_rate: Some(sample_rate_hz),
            num_channels: Some(channels),
            frame_size_ms: Some(frame_size_ms),
            queue_size_frames: Some(0),
        };
        let wire::ffi_response::Message::NewAudioStream(response) =
            runtime.request(operation, wire::ffi_request::Message::NewAudioStream(request))?
        else {
            return Err(ffi::Error::Unexpected { operation }.into());
        };
        let handle = Handle::new(runtime, response.stream.handle);
        let (sender, frames) = mpsc::channel((QUEUE_MS / frame_size_ms).max(1) as usize);
        let dropped = Arc::new(AtomicU64::new(0));
        // A frame that arrives before this line has no stream to go to and is lost: it is the first of a track that has just
        // been subscribed.
        runtime.add_audio_stream(handle.id(), sender, Arc::clone(&dropped));
        let ended = Box::pin(track.ended().clone().cancelled_owned());
        Ok(Self { handle, _track: track.clone(), frames, dropped, ended, over: false })
    }

    /// The next frame, or `None` when the track has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<AudioFrame> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Frames lost because nobody took them for two seconds.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Stream for NativeAudioStream {
    type Item = AudioFrame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<AudioFrame>> {
        if self.over {
            return Poll::Ready(None);
        }
        // What has arrived is delivered before the end is.
        if let Poll::Ready(frame) = self.frames.poll_recv(context) {
            self.over = frame.is_none();
            return Poll::Ready(frame);
        }
        if self.ended.as_mut().poll(context).is_ready() {
            self.over = true;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl Drop for NativeAudioStream {
    fn drop(&mut self) {
        self.handle.runtime().remove_audio_stream(self.handle.id());
    }
}
