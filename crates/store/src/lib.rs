//! What must last (Postgres) and what is true right now (Redis), behind typed functions.
//!
//! Postgres: a [`Store`] hands out [`TenantTransaction`]s and nothing else. The pool is private, every table has forced
//! row-level security keyed by the transaction's tenant, and no statement names a tenant itself, so a query that forgets
//! whose data it reads finds nothing. Start with `migrations/`, then [`TenantTransaction`]: its functions live beside the
//! rows they are about. Schema `agents`: `session.rs`, `turn.rs`, `memory.rs`, `fact.rs`, `learning.rs` for what is found in
//! turns, `summary.rs` for what sessions were about, and `past.rs` for how people look back on it. Schema `identity`:
//! `person.rs` and `key.rs`. Schema `jobs`: `job.rs` and `schedule.rs`. Schema `notify`: the folder of that name. Three
//! questions have no tenant: whose key this is ([`Store::find_key`]), whose source of events ([`Store::find_source`]) and what
//! there is to do ([`Store::waiting_jobs`] and its neighbours); functions of the database answer them and can do nothing else.
//! Each service has a [`Login`] of its own, which can do what its own statements do and nothing more.
//! Queries are checked at compile time against `.sqlx`, which `scripts/sqlx-prepare` writes.
//!
//! Redis: [`Rooms`] says who holds a room and what happens in it. A room is taken with a [`RoomLease`] under an epoch that
//! only grows; what its holder last wrote stays for a minute after them, for whoever takes over. Losing Redis never ends a
//! running room; `lease.rs` says what each answer means for the holder. Who may do what there says `redis_users.rs`.
//!
//! This crate never decides what is worth keeping: callers do.

mod embedding;
mod error;
mod fact;
mod job;
mod key;
mod learning;
mod lease;
mod login;
mod memory;
mod migration;
mod notify;
mod past;
mod person;
mod redis_users;
mod room;
mod room_key;
mod schedule;
mod session;
mod store;
mod summary;
mod text;
mod transaction;
mod turn;

pub use embedding::{Embedding, EmbeddingError};
pub use error::Error;
pub use fact::FactRow;
pub use job::{JobChange, JobQuery, JobQueue, JobRow, JobStep, NewJob, Submitted, WaitingJob};
pub use key::{KeyRow, NewKeyRow, StoredKey};
pub use learning::{FinishedTurn, NewQuotedFact};
pub use lease::{AcquireError, LeaseError, Renewal, RoomLease};
pub use login::Login;
pub use memory::{MemoryMatch, MemorySearch, NewMemory, Unremembered};
pub use migration::MigrateError;
pub use notify::{
    DeliveryRow, FoundSource, NewNotification, NewTarget, NotificationPast, NotificationQuery, NotificationRow,
    NotifySettings, RuleRow, SourceRow, TargetRow,
};
pub use past::{SessionQuery, SessionSummary, TurnRow};
pub use person::PersonRow;
pub use redis_users::{REDIS_OWNER, redis_services, redis_users};
pub use room::{LastHeard, OpenTurn, RoomHolder, RoomState, Rooms, RoomsError};
pub use schedule::{NewSchedule, ScheduleRow};
pub use session::NewSession;
pub use store::{ConnectError, Options, Store};
pub use summary::NewSummary;
pub use transaction::TenantTransaction;
pub use turn::{Applied, ApplyError, Exchange, TurnStatus, heard_part};
