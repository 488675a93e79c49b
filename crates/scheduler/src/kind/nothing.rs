//! Goes through all states and does nothing: to see whether the kernel works, and how fast.

use std::sync::Arc;

use aether_job::Priority;
use aether_store::JobRow;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::{Kind, Outcome, Pool};
use crate::kernel::Kernel;

pub struct Nothing;

impl Kind for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn pool(&self) -> Pool {
        Pool::Background
    }

    fn priority(&self) -> Priority {
        Priority::P3
    }

    fn check(&self, _payload: &Value) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(&'a self, _kernel: &'a Arc<Kernel>, _job: &'a JobRow) -> BoxFuture<'a, Outcome> {
        async { Outcome::Done(Value::Null) }.boxed()
    }
}
