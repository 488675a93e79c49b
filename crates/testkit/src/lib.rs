//! Real servers for tests: each call starts one on free ports in a folder of its own and stops it when the value is
//! dropped. `let nats = testkit::nats().await;` is all a test needs.
//!
//! A server can be [killed](Server::kill) as a crash would and [restarted](Server::restart) on the same port with the same
//! data. What can't be started panics with the reason: a test that can't have its part has failed.
//!
//! The only doubles are [`StallingLlm`], which makes failures on purpose that a real model can't be asked for, and
//! [`ScriptedLlm`], which says what a test wants said, at a pace that is known.

#![expect(clippy::panic, reason = "a test whose part can't be started must fail with the reason")]

mod audio;
mod jaeger;
mod ollama;
mod scripted_llm;
mod server;
mod stalling_llm;

pub use audio::{audio, audio_path};
pub use jaeger::{Jaeger, jaeger};
pub use ollama::{Ollama, ollama};
pub use scripted_llm::{Line, Script, ScriptedLlm};
pub use server::{
    LiveKit, Llm, Nats, Postgres, Redis, Server, eventually, layout, livekit, livekit_with_webhook, llm, llm_with,
    nats, nats_for, postgres, redis, redis_for, service,
};
pub use stalling_llm::{Behaviour, StallingLlm};

pub use aether_supervisor::part::Users;
pub use aether_supervisor::{free_port, free_udp_port};
