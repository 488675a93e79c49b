//! The models that hear and speak, each behind a small door.
//!
//! - [`vad`]: is somebody speaking in these 32 ms? (Silero, ONNX)
//! - [`end_of_turn`]: is the person done, or only pausing? (Smart Turn, ONNX)
//! - [`stt`]: what was said? (Whisper, whisper.cpp)
//! - [`tts`]: say this. (Piper voices, ONNX, with phonemes from an espeak-ng process)
//!
//! Everything runs in this process. `stt` and `tts` have threads of their own; `vad` takes a fraction of a millisecond
//! wherever it is called; `end_of_turn` blocks for tens of them and is to be asked from a thread that may block. Nothing
//! here knows about rooms, turns or buses, where a model file comes from, or who is speaking: callers bring paths, samples
//! and text. A lane is only a number that keeps two speakers from starving each other.
//!
//! [`onnx::init`] comes first: it loads the process's ONNX Runtime, which all but `stt` use. To read on, take
//! [`stt::Transcriber`] for the way in and [`tts::Voice`] for the way out; each names its neighbours.

pub mod end_of_turn;
pub mod stt;
pub mod tts;
pub mod vad;

pub use aether_onnx as onnx;
