//! `aether`, the one command a person needs: it starts everything ([`up`]), says how it is ([`status`]), what is wrong and
//! how to mend it ([`doctor`]), which settings are in force ([`config`]), gives out tokens for rooms ([`token`]) and links to
//! the page ([`page`]), fetches models ([`models`]), talks to the agent from a file ([`talk`]) and writes with it ([`chat`]),
//! measures ([`bench`]), and plays recorded sessions through the turn-taking machines again ([`turn`]).
//!
//! Each subcommand is a module with its `Arguments` and one function; what it does lives in the part crates. Every command
//! works on one [`Context`]: the state folder and the settings, seen as the services see them that `aether up` started.
//! What a program elsewhere could do as well ([`chat`], [`room`], [`session`], [`key`], [`people`]) goes through the gateway
//! like any client, and only through [`api`].
//!
//! Start reading at [`up::run`].

mod api;
mod bench;
mod chat;
mod command;
mod config;
mod context;
mod doctor;
mod error;
mod key;
mod models;
mod page;
mod people;
pub mod person;
mod plan;
mod print;
mod room;
mod running;
mod session;
mod source;
mod sse;
mod status;
mod talk;
mod task;
mod token;
mod turn;
mod up;
mod welcome;

pub use command::run;
pub use context::Context;
pub use error::Error;
