//! One file per block. Each declares its settings as `const`s, lists them, and reads them into a struct.

pub(crate) mod agent;
pub(crate) mod brain;
pub(crate) mod gateway;
pub(crate) mod home;
pub(crate) mod http;
pub(crate) mod identity;
pub(crate) mod kernel;
pub(crate) mod livekit;
pub(crate) mod llm;
pub(crate) mod nats;
pub(crate) mod notifier;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod speech;
pub(crate) mod telemetry;
pub(crate) mod tts;
pub(crate) mod turn_taking;
