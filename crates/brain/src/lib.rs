//! The mind: words in, an answer out, and nothing forgotten that may be remembered.
//!
//! [`Service`] answers eight subjects: `brain.request` (one turn of a conversation, begun while the person still speaks),
//! `llm.request` (a raw completion; what nobody waits for yields to what somebody waits for), `sentence.request` (does one
//! end here?), `embed.request`, `facts.keep` (what was found in a turn), `summaries.keep`, `embeddings.backfill` and `brain.ready`. Beside that it follows the durable turn log and lets memory turn it into
//! rows. It is the only one that talks to the language model, and the only writer of schema `agents`; it writes from the
//! turn log, where a person asks it to remember or to forget something, and what was found in a turn that is over, so nothing
//! is written before a turn is committed.
//!
//! Start with `turn.rs` for the life of one turn and `rounds.rs` for its answer; `tool/` has what the agent can do beside
//! talking. An answer may be begun while it is open whether the person is done: `commitment.rs` knows, and `telling.rs` says
//! what waits for it. What can be decided without waiting for anybody is pure: `draft.rs` (when to read ahead), `history.rs` (what of the
//! conversation is shown), `prompt.rs` (in which order), `conversation.rs` (the same for callers who bring theirs along).
//! This crate never decides when a person is done, never speaks, and never cuts an answer into sentences.

mod commitment;
mod conversation;
mod draft;
mod embed;
mod facts;
mod gate;
mod generation;
mod health;
mod history;
mod input;
mod jobs;
mod mind;
mod options;
mod preparation;
pub mod prompt;
mod raw_completion;
mod remembering;
mod rounds;
mod sentence;
mod service;
mod session;
mod settings;
mod summaries;
mod telling;
mod tool;
mod turn;
mod turn_log;

pub use options::{Embedding, Options};
pub use service::{Error, Parts, Service};
pub use settings::Settings;
