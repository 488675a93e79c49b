//! What is kept, in a real Postgres and a real Redis: by whom it may be read and changed, and what is left when a server goes.

#![expect(clippy::unwrap_used, reason = "a test ends with the value that it did not expect")]

mod availability;
mod database;
mod facts;
mod isolation;
mod keys_and_people;
mod logins;
mod memory_search;
mod past;
mod redis_users;
mod room_lease;
mod tls;
mod turn_log;
