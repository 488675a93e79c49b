//! The boundary to `liblivekit_ffi.so`.
//!
//! The library takes protobuf requests and answers later through one callback. A request that has an asynchronous answer
//! carries a number of ours, and its waiter is registered before the request is made, so that no answer can be missed.
//! Whatever the library hands out as a handle is held by a [`Handle`], which gives it back when dropped; an answer that nobody
//! waits for any more is given back too.
//!
//! Events travel callback → one bounded queue → the dispatcher thread → waiters, rooms and streams. The callback itself runs
//! on the library's own threads and does nothing but copy bytes.

mod callback;
mod dispatcher;
mod error;
mod handle;
mod library;
mod runtime;

pub(crate) mod wire {
    #![expect(clippy::all, unreachable_pub, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/livekit.proto.rs"));
}

pub(crate) use dispatcher::RoomEvents;
pub use error::Error;
pub(crate) use handle::Handle;
pub use handle::live_handles;
pub use library::{LIBRARY_SHA256, LIBRARY_VERSION};
pub use runtime::init;
pub(crate) use runtime::{Runtime, runtime};
