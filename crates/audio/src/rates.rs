//! The rates and the frame length that the voice path agrees on.

/// What rooms carry: WebRTC's Opus runs at 48 kHz, so no other rate saves work there.
pub const ROOM_HZ: u32 = 48_000;

/// What the recogniser and the voice activity detector were trained on.
pub const RECOGNITION_HZ: u32 = 16_000;

/// Length of a frame on its way into or out of a room.
pub const FRAME_MS: u32 = 10;

/// How many samples `milliseconds` of sound at `rate_hz` are, rounded down.
pub const fn samples_in_ms(rate_hz: u32, milliseconds: u32) -> usize {
    (rate_hz as u64 * milliseconds as u64 / 1000) as usize
}
