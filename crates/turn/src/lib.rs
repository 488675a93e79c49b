//! Turn-taking as pure state machines: who is speaking, when a person is done, when the agent may speak and when it must stop.
//!
//! Three pieces, each a `next(event) -> effects` without clock, channel or I/O. [`Activity`] turns voice probabilities into
//! "speech began / ended". [`Lane`] follows one participant from silence to a finished utterance. [`Floor`] follows one
//! room: listening, thinking, speaking, ducked. Time enters only as [`Event::DeadlineReached`](floor::Event::DeadlineReached)
//! for a deadline that a machine armed; how long it is, is the shell's policy.
//!
//! Beside them stand the judgements that such a policy is made of, functions of what is known and nothing else:
//! [`endpointing`] (how long a silence must last), [`overlap`] (what words over the agent's voice mean), [`words`] (whether they
//! ask for more).
//!
//! What goes into the machines and what comes out can be kept, and played through them again: [`trace`].
//!
//! A generation number travels with every piece of work. What comes back with an old one is stale and changes nothing.
//!
//! Start with [`lane`], then [`floor`]. The shell that drives them is `aether-voice`.

pub mod activity;
pub mod endpointing;
pub mod floor;
pub mod lane;
pub mod overlap;
pub mod trace;
pub mod words;

pub use activity::Activity;
pub use endpointing::Endpointing;
pub use floor::Floor;
pub use lane::Lane;
use serde::{Deserialize, Serialize};

/// Counts attempts. Work started under one generation is stale under the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
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
