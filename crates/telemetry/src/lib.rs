//! Sight: how a process shows what it does and how it is.
//!
//! - [`init`] turns `tracing` spans and events into log lines that carry the ids of the turn, and into OTLP traces when an
//!   endpoint is set; and it installs the recorder behind `/metrics`.
//! - [`traceparent`], [`unkept_traceparent`], [`span_from_remote`] and [`span_from_caller`] carry a trace across a process
//!   boundary, as W3C `traceparent`. A [`Stage`] is a span of what is over already, [`Traced`] links one trace to another, and [`attribute`]
//!   adds to a span what `tracing` can't.
//! - [`Health`] is what a process waits for; [`http_router`] shows it on `/livez`, `/readyz`, `/health`, `/metrics`, and
//!   [`HttpServer`] (or [`serve`]) puts a router on a port.
//! - [`metric`] names every metric there is.
//! - [`fatal`] is the last line of a process that can't start.
//!
//! Every service has one shape: `Options` → `Service::new(options, parts)` → `service.run(shutdown)`. [`shutdown_signal`]
//! ends it. This crate never decides what a service does when a part is away; it only shows it.

pub mod attribute;
mod exemplar;
mod exposition;
mod fatal;
mod health;
mod http;
mod init;
mod log_layer;
mod log_line;
pub mod metric;
mod process;
mod shutdown;
mod stage;
mod trace_context;

pub use fatal::{fatal, with_causes};
pub use health::{Health, Part, PartHealth, Report, State};
pub use http::{HttpServer, ServeError, http_router, serve};
pub use init::{Guard, InitError, init};
pub use shutdown::{shutdown_signal, shutdown_token};
pub use stage::{Stage, Traced};
pub use trace_context::{current_trace_id, span_from_caller, span_from_remote, traceparent, unkept_traceparent};
