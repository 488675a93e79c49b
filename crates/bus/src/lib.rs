//! How Aether's processes talk to each other: three shapes over NATS, each one typed pair of functions.
//!
//! | shape | asking side | answering side |
//! |---|---|---|
//! | request: one question, one reply | [`Bus::request`] | [`ServiceBuilder::request`], or [`Bus::answer`] where no other can |
//! | call: a conversation both ways | [`Bus::call`] → [`Call`] | [`ServiceBuilder::call`] → [`IncomingCall`] |
//! | event: told to whoever listens | [`Bus::publish`] | [`Bus::subscribe`] → [`Subscription`] |
//! | durable event: kept until handled | [`TurnLog::append`] | [`Bus::consume`] |
//!
//! Control messages are canonical proto3 JSON, audio is raw little-endian PCM16; everything else about a message is in
//! its headers (`headers.rs`). This is the only crate that knows NATS, and the only place where a JetStream stream is
//! declared (`durable.rs`). It never decides what a message means, and it never loses one in silence: a gap in a call,
//! a full subscription and a lost peer are all errors.
//!
//! Start with `call.rs` for the caller's end of a conversation and `worker.rs` for the other.

mod access;
mod answer;
mod bus;
mod call;
mod caller;
mod context;
mod durable;
mod endpoint;
mod error;
mod event;
mod frame;
mod headers;
mod incoming_call;
mod micro;
mod numbering;
mod request;
mod service;
mod spool;
mod trace;
mod turn_log;
mod watch;
mod worker;
mod writer;

pub use access::{OWNER, authorization};
pub use answer::Answering;
pub use bus::{Bus, ConnectError, Options};
pub use call::{Call, CallOptions, CallSender};
pub use context::Context;
pub use durable::{ConsumeError, ConsumeOptions, Consumer, DurableStream};
pub use error::Error;
pub use event::{Event, Subscription};
pub use frame::{AudioFrame, Frame};
pub use headers::HeaderError;
pub use incoming_call::{CallEnded, IncomingCall, Output};
pub use micro::EndpointStats;
pub use service::{RunningService, ServiceBuilder, ServiceOptions, StartError};
pub use spool::SpoolError;
pub use turn_log::{AppendError, TurnLog, TurnLogOptions};
