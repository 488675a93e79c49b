//! ONNX Runtime: one per process, loaded from a file at run time.
//!
//! The library keeps its environment for the whole process and refuses a second one, so it has this one door. [`init`]
//! comes first; calling it again changes nothing, so that whoever needs the runtime may ask for it. Then [`session`] makes
//! a model runnable. What the tensors mean is its caller's business: of `ort` only what it takes to run a session is
//! passed on, nothing that starts or configures a runtime.
//!
//! Model files come from `aether-models`; here they are only read. Everything blocks.

mod error;
mod runtime;

pub use error::Error;
pub use ort::session::{Session, SessionOutputs};
pub use ort::value::{Tensor, TensorRef};
pub use ort::{Error as RunError, inputs};
pub use runtime::{Processor, init, read_model, session};
