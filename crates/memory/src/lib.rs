//! What an agent remembers of a person: texts to vectors, vectors to memories, memories to lines of a prompt.
//!
//! Start with [`Memory`]: [`Memory::remember`] takes the turn log into the store, [`Memory::recall`] finds what matters for
//! the words being said. [`Memory::learn`] keeps what was found in a turn, if `evidence.rs` lets it. The [`Embedder`] underneath runs MiniLM on threads of its own and serves `embed.request` too;
//! `aether_onnx::init` comes before it is loaded.
//!
//! Recall has a deadline, because a person waits: when it is over, or a part is away, the turn goes on without memories
//! and says so. This crate doesn't know of privacy modes: what must not last is never handed to it.

mod about;
mod backfill;
mod embedder;
mod evidence;
mod fact_vectors;
mod learning;
mod memory;
mod pooling;
mod recollection;

pub use backfill::Backfilled;
pub use embedder::{EmbedError, Embedder, LoadError, Options as EmbedderOptions};
pub use evidence::{Dropped, Statement};
pub use learning::{LearnError, Learned};
pub use memory::{Forgotten, Memory, Options, Question, RecallError, RememberError};
pub use recollection::{Fact, Recollection};
