//! The voice path of one conversation: ears, floor, voice.
//!
//! [`session::start`] runs one conversation in one place. Each participant gets a [`lane`] (frames → voice activity →
//! transcript); the session drives the [floor](aether_turn::floor) with what the lanes report; a turn becomes an answer
//! (`answer.rs`: brain → `script.rs`, what is said of it → [`chunker`] → `speaker.rs`: tts) and is heard through the
//! [`playout`]. What must be heard although tts is away was synthesised beforehand ([`Phrases`]). What is made before it is wanted is kept back in two places: words in `outbox.rs`, sound in the playout.
//! [`media`] is all that the path knows about the place where people are.
//!
//! It never decides by itself when somebody is done or may be interrupted: that is `aether-turn`. It never waits for the
//! bus or the room on its own path: that is `journal.rs`. Start with [`session`].

mod answer;
pub mod chunker;
mod deadline;
mod journal;
pub mod lane;
pub mod media;
mod outbox;
mod partials;
mod pause;
mod phrases;
pub mod playout;
mod recorder;
mod script;
mod sentence;
pub mod session;
mod speaker;
mod turn;
pub mod utterance;

pub use phrases::Phrases;
