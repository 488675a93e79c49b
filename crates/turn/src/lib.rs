//! Turn-taking as pure state machines: who is speaking, when a person is done, when the agent may speak and when it must stop.
//!
//! Three pieces, each a `next(event) -> effects` without clock, channel or I/O. [`Activity`] turns voice probabilities into
//! "speech began / ended". [`Lane`] follows one participant from silence to a finished utterance. [`Floor`] follows one
//! room: listening, thinking, speaking, ducked. Time enters only as [`Event::DeadlineReached`](floor::Event::DeadlineReached)
//! for a deadline that a machine armed; how long it is, is the shell's policy.
//!
//! A generation number travels with every piece of work. What comes back with an old one is stale and changes nothing.
//!
//! Start with [`lane`], then [`floor`]. The shell that drives them is `aether-voice`.

pub mod activity;
pub mod floor;
pub mod lane;

pub use activity::Activity;
pub use floor::Floor;
pub use lane::Lane;

/// Counts attempts. Work started under one generation is stale under the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Generation(u32);

impl Generation {
    pub const fn number(self) -> u32 {
        self.0
    }

    #[must_use]
    const fn following(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
