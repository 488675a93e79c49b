//! The servers Aether stands on, each as a [`Component`](crate::Component) that runs on loopback.

mod livekit;
mod llm;
mod nats;
mod postgres;
mod redis;
mod service;
mod users;

pub use livekit::LiveKit;
pub use llm::Llm;
pub use nats::Nats;
pub use postgres::Postgres;
pub use redis::Redis;
pub use service::Service;
pub use users::Users;
