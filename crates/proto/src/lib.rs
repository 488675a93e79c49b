//! The contract between Aether's processes: message types generated from `proto/aether/v1`, the ids that travel
//! with them, the subjects they travel on and the one table of errors.
//!
//! Pure: no runtime, no I/O, no clock. Start with [`subject`] for who talks where, then `proto/aether/v1/*.proto` for what
//! they say.

mod error_code;
mod id;
mod plugin_event;
pub mod subject;
#[expect(clippy::all, clippy::allow_attributes, reason = "generated code")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/aether.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/aether.v1.serde.rs"));
}

pub use error_code::ErrorCode;
pub use generated::*;
pub use id::{
    AgentId, IdError, InstanceId, JobId, NotificationId, PersonId, RequestId, RoomName, SessionId, TenantId, TurnId,
};
