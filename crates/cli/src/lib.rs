//! `aether`, the one command a person needs: it starts everything ([`up`]), says how it is ([`status`]), which settings are
//! in force ([`config`]), gives out tokens for rooms ([`token`]), fetches models ([`models`]) and talks to the agent from a
//! file ([`talk`]).
//!
//! Each subcommand is a module with its `Arguments` and one function; what it does lives in the part crates. Every command
//! works on one [`Context`]: the state folder and the settings, seen as the services see them that `aether up` started.
//!
//! Start reading at [`up::run`].

mod bench;
mod command;
mod config;
mod context;
mod error;
mod models;
pub mod person;
mod plan;
mod running;
mod status;
mod talk;
mod token;
mod up;

pub use command::run;
pub use context::Context;
pub use error::Error;
