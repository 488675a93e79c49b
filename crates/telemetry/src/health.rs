//! What a process depends on, and how each part of that is.

use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use crate::metric;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Up,
    /// It works, with something missing.
    Degraded,
    /// Not there yet; nothing is wrong so far.
    Waiting,
    Down,
}

impl State {
    const fn serves(self) -> bool {
        matches!(self, Self::Up | Self::Degraded)
    }
}

/// One part, as `/health` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub name: String,
    /// Without it the process is not ready.
    pub required: bool,
    pub state: State,
    /// For a person: what is missing and what to do. While up what it is doing, or nothing.
    pub detail: String,
}

/// The answer of `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub service: String,
    pub version: String,
    pub ready: bool,
    /// The worst of the parts.
    pub state: State,
    /// Names of the required parts that are missing.
    pub waiting_for: Vec<String>,
    pub parts: Vec<Part>,
}

/// The health of one process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    service: Arc<str>,
    version: Arc<str>,
    parts: Arc<watch::Sender<Vec<Part>>>,
}

impl Health {
    /// A process without parts is ready.
    pub fn new(service: &str, version: &str) -> Self {
        Self { service: service.into(), version: version.into(), parts: Arc::new(watch::Sender::new(Vec::new())) }
    }

    /// A part without which the process is not ready. Waiting until told otherwise; a second call gives the same part.
    pub fn part(&self, name: &str) -> PartHealth {
        self.register(name, true)
    }

    /// A part that the process can do without.
    pub fn optional_part(&self, name: &str) -> PartHealth {
        self.register(name, false)
    }

    pub fn is_ready(&self) -> bool {
        is_ready(&self.parts.borrow())
    }

    /// Resolves when every required part serves.
    pub async fn ready(&self) {
        // Can't fail: `self` keeps the sender.
        let _ = self.parts.subscribe().wait_for(|parts| is_ready(parts)).await;
    }

    pub fn report(&self) -> Report {
        let parts = self.parts.borrow().clone();
        let missing = |part: &&Part| part.required && !part.state.serves();
        Report {
            service: self.service.to_string(),
            version: self.version.to_string(),
            ready: is_ready(&parts),
            state: worst(&parts),
            waiting_for: parts.iter().filter(missing).map(|part| part.name.clone()).collect(),
            parts,
        }
    }

    fn register(&self, name: &str, required: bool) -> PartHealth {
        self.parts.send_if_modified(|parts| {
            let is_new = parts.iter().all(|part| part.name != name);
            if is_new {
                let detail = "starting".to_owned();
                parts.push(Part { name: name.to_owned(), required, state: State::Waiting, detail });
                show(name, required, false);
            }
            is_new
        });
        PartHealth { name: name.into(), parts: self.parts.clone() }
    }
}

/// The one who knows a part tells how it is. Clones share it; what changes is logged once.
#[derive(Debug, Clone)]
pub struct PartHealth {
    name: Arc<str>,
    parts: Arc<watch::Sender<Vec<Part>>>,
}

impl PartHealth {
    pub fn up(&self) {
        self.set(State::Up, "");
    }

    /// Up, and what it is doing: only shown, not logged.
    pub fn busy(&self, doing: impl Display) {
        self.set(State::Up, doing);
    }

    /// Not there yet, and why.
    pub fn waiting(&self, why: impl Display) {
        self.set(State::Waiting, why);
    }

    /// Gone or broken: what happened and what to do.
    pub fn down(&self, why: impl Display) {
        self.set(State::Down, why);
    }

    /// It serves, but not as it should.
    pub fn degraded(&self, why: impl Display) {
        self.set(State::Degraded, why);
    }

    fn set(&self, state: State, detail: impl Display) {
        let detail = detail.to_string();
        let mut required = false;
        let changed = self.parts.send_if_modified(|parts| {
            let Some(part) = parts.iter_mut().find(|part| *part.name == *self.name) else { return false };
            let changed = part.state != state || (state != State::Up && part.detail != detail);
            required = part.required;
            part.state = state;
            part.detail.clone_from(&detail);
            changed
        });
        if !changed {
            return;
        }
        show(&self.name, required, state.serves());
        match state {
            State::Up => tracing::info!(part = %self.name, "part is up"),
            State::Waiting => tracing::info!(part = %self.name, detail, "waiting for a part"),
            State::Degraded | State::Down => tracing::warn!(part = %self.name, ?state, detail, "part is not well"),
        }
    }
}

fn show(part: &str, required: bool, is_up: bool) {
    let required = if required { "yes" } else { "no" };
    metrics::gauge!(metric::PART_UP, "part" => part.to_owned(), "required" => required).set(if is_up {
        1.0
    } else {
        0.0
    });
}

fn is_ready(parts: &[Part]) -> bool {
    parts.iter().all(|part| !part.required || part.state.serves())
}

/// A part that is not required can only degrade the whole.
fn worst(parts: &[Part]) -> State {
    let badness = |state: State| match state {
        State::Up => 0,
        State::Degraded => 1,
        State::Waiting => 2,
        State::Down => 3,
    };
    parts
        .iter()
        .map(|part| if part.required || part.state == State::Up { part.state } else { State::Degraded })
        .max_by_key(|state| badness(*state))
        .unwrap_or(State::Up)
}
