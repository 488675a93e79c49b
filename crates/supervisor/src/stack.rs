use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};

use crate::{Component, Error, State, Supervised};

/// Parts that were started together, in the order in which they were started.
#[derive(Debug, Default)]
pub struct Stack {
    parts: Vec<Supervised>,
    stages: Vec<usize>,
}

/// How one part is doing, for a person or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    pub name: String,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

impl Stack {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts one stage: its components come up side by side, and `on_ready` is told each as it does. Returns when all are
    /// ready, or with the first failure. Whatever was launched stays in the stack either way, also when this future is
    /// dropped half-way: [`Stack::stop`] takes it down.
    pub async fn start(
        &mut self,
        stage: Vec<Component>,
        mut on_ready: impl FnMut(&Component, Duration),
    ) -> Result<(), Arc<Error>> {
        let first = self.parts.len();
        self.stages.push(first);
        let begun = Instant::now();
        for component in stage {
            self.parts.push(Supervised::launch(component)?);
        }
        let mut waiting: FuturesUnordered<_> =
            self.parts[first..].iter().map(|part| async move { (part, part.ready().await) }).collect();
        while let Some((part, outcome)) = waiting.next().await {
            outcome?;
            on_ready(part.component(), begun.elapsed());
        }
        Ok(())
    }

    pub fn parts(&self) -> &[Supervised] {
        &self.parts
    }

    pub fn reports(&self) -> Vec<PartReport> {
        self.parts.iter().map(report).collect()
    }

    /// Stops the stages in reverse order, the parts of one stage side by side.
    pub async fn stop(&mut self) {
        while let Some(first) = self.stages.pop() {
            futures::future::join_all(self.parts[first..].iter_mut().map(Supervised::stop)).await;
            self.parts.truncate(first);
        }
    }
}

fn report(part: &Supervised) -> PartReport {
    let (state, pid, detail) = match part.state() {
        State::Starting { pid } => ("starting", Some(pid), None),
        State::Ready { pid } => ("ready", Some(pid), None),
        State::Restarting { why } => ("restarting", None, Some(why)),
        State::Failed(error) => ("failed", None, Some(error.to_string())),
        State::Stopped => ("stopped", None, None),
    };
    PartReport { name: part.component().name().to_owned(), state: state.to_owned(), pid, detail }
}
