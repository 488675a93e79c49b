//! What a voice session needs of the place where people are: a way to be heard and to be seen. A LiveKit room is one such
//! place; the session knows none by name.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use aether_proto::ClientEvent;
use aether_turn::floor::Phase;

/// Samples per second of everything that enters and leaves a session, mono.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// Samples of one frame: 10 ms.
pub const FRAME_SAMPLES: usize = 480;

/// Somebody in the place, as the place names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Participant {
    /// Unique in the place.
    pub identity: String,
    /// For people to read; may be empty.
    pub name: String,
}

/// Words to show beside the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caption {
    /// What a participant said.
    Heard { segment: String, identity: String, text: String, is_final: bool },
    /// The next words of the agent's answer, as they are spoken.
    Spoken { segment: String, delta: String },
    /// The agent's answer has ended with what was captioned so far.
    SpokenEnd { segment: String },
}

/// Why the place could not do it.
#[derive(Debug)]
pub struct Gone(pub String);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Gone {}

/// A future that a trait object can return.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The agent's end of the place.
pub trait MediaEnd: Send + Sync + 'static {
    /// Takes one frame of [`FRAME_SAMPLES`] and resolves when at most 20 ms wait to be sent: this paces the session.
    fn play<'a>(&'a self, frame: &'a [i16]) -> Pending<'a, Result<(), Gone>>;
    /// Shows words; a place that can't is silent about it.
    fn caption(&self, caption: Caption) -> Pending<'_, ()>;
    /// Shows what the agent is doing.
    fn phase(&self, phase: Phase) -> Pending<'_, ()>;
    /// Hands a client event to the clients that are in the place.
    fn event<'a>(&'a self, event: &'a ClientEvent) -> Pending<'a, ()>;
}
