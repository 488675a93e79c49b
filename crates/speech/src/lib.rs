//! The models that hear and speak, each behind a small door.
//!
//! - [`vad`]: is somebody speaking in these 32 ms? (Silero, ONNX)
//! - [`stt`]: what was said? (Whisper, whisper.cpp)
//! - [`tts`]: say this. (Piper voices, ONNX, with phonemes from an espeak-ng process)
//!
//! Everything runs in this process on threads of its own; an async runtime is never blocked for longer than one voice
//! activity window. Nothing here knows about rooms, turns or buses, where a model file comes from, or who is speaking:
//! callers bring paths, samples and text. A lane is only a number that keeps two speakers from starving each other.
//!
//! [`onnx::init`] comes first: it loads the process's ONNX Runtime, which `vad` and `tts` use. To read on, take
//! [`stt::Transcriber`] for the way in and [`tts::Voice`] for the way out; each names its neighbours.

pub mod stt;
pub mod tts;
pub mod vad;

pub use aether_onnx as onnx;
