//! Sound as numbers: formats, rates, levels and frames, and nothing else.
//!
//! Everything here is a function of its input. There is no clock, no device, no network and no runtime: whoever has
//! samples (a LiveKit track, a file, a synthesiser) brings them, and takes samples away. Samples are mono throughout;
//! as numbers to compute with they are `f32` from -1 to 1, on the wire and in rooms they are little-endian PCM16.
//!
//! Start with [`Resampler`], the streaming bridge between the three rates Aether lives with ([`ROOM_HZ`],
//! [`RECOGNITION_HZ`] and whatever a voice was trained at). [`wav`] reads what people bring and says precisely what is
//! wrong with it. [`Framer`] cuts a stream into equal pieces, [`level`] says how loud one is, [`pcm16`] converts,
//! [`mel`] shows sound as some networks want to see it, [`bands`] as it can be compared with other sound.

pub mod bands;
mod framer;
pub mod level;
pub mod mel;
pub mod pcm16;
mod rates;
mod resampler;
pub mod wav;

pub use framer::Framer;
pub use rates::{FRAME_MS, RECOGNITION_HZ, ROOM_HZ, samples_in_ms};
pub use resampler::{Error as ResamplerError, MAX_RATE_HZ, Resampler};
