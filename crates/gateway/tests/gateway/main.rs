//! A whole gateway on real servers. `desk.rs` is one with a database and somebody who writes, `house.rs` one with rooms.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod chat;
mod desk;
mod house;
mod identity;
mod notifications;
mod page;
mod reconciler;
mod rooms;
mod sessions;
mod socket;
mod tasks;
