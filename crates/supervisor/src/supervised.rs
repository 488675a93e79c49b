use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{Component, Error, Process};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A part that stayed up this long is given the first pause again.
const STEADY: Duration = Duration::from_secs(30);

/// What a supervised part is doing.
#[derive(Debug, Clone)]
pub enum State {
    Starting {
        pid: u32,
    },
    Ready {
        pid: u32,
    },
    /// It ended and comes back after a pause.
    Restarting {
        why: String,
    },
    /// It never became ready.
    Failed(Arc<Error>),
    Stopped,
}

/// A component that is kept up: when its process ends it is started again, after a pause that grows from a quarter of a
/// second to ten. A part that fails before it was ever ready is not tried again; its error is reported instead.
#[derive(Debug)]
pub struct Supervised {
    component: Component,
    state: watch::Receiver<State>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Launches the process and returns at once; [`Supervised::ready`] waits for it.
    pub fn launch(component: Component) -> Result<Self, Error> {
        for port in &component.ports {
            port.check(component.name(), &component.instead)?;
        }
        let process = Process::spawn(&component.launch)?;
        let (sender, state) = watch::channel(State::Starting { pid: process.pid() });
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(component.clone(), process, sender, stop.clone()));
        Ok(Self { component, state, stop, task })
    }

    pub fn component(&self) -> &Component {
        &self.component
    }

    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Changes of state as they come.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Waits until the part is ready for the first time.
    pub async fn ready(&self) -> Result<(), Arc<Error>> {
        let mut state = self.state.clone();
        let state =
            state.wait_for(|state| matches!(state, State::Ready { .. } | State::Failed(_) | State::Stopped)).await;
        match state.as_deref() {
            Ok(State::Failed(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Stops the process in an orderly way and keeps it down.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The task owns the process, which is killed with it.
        self.task.abort();
    }
}

async fn keep(component: Component, mut process: Process, state: watch::Sender<State>, stop: CancellationToken) {
    let mut was_ready = false;
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = tokio::select! {
            outcome = up(&component, &process, &state) => outcome,
            () = stop.cancelled() => {
                process.stop().await;
                state.send_replace(State::Stopped);
                return;
            }
        };
        let why = match outcome {
            Up::Ended { how, after } => {
                was_ready = true;
                if after >= STEADY {
                    pause = FIRST_PAUSE;
                }
                how
            }
            Up::Never(error) if !was_ready => {
                process.stop().await;
                state.send_replace(State::Failed(Arc::new(error)));
                return;
            }
            Up::Never(error) => {
                process.stop().await;
                error.to_string()
            }
        };
        tracing::warn!(part = component.name(), why, "ended by itself and is started again");
        state.send_replace(State::Restarting { why });
        process = loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {
                    state.send_replace(State::Stopped);
                    return;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match Process::spawn(&component.launch) {
                Ok(process) => break process,
                Err(error) => {
                    state.send_replace(State::Restarting { why: error.to_string() });
                }
            }
        };
        state.send_replace(State::Starting { pid: process.pid() });
    }
}

enum Up {
    Ended { how: String, after: Duration },
    Never(Error),
}

/// One life of the process: until it ends, or until it is clear that it will not become ready.
async fn up(component: &Component, process: &Process, state: &watch::Sender<State>) -> Up {
    if let Err(error) = component.ready(process).await {
        return Up::Never(error);
    }
    state.send_replace(State::Ready { pid: process.pid() });
    let since = Instant::now();
    let how = process.ended().await;
    Up::Ended { how, after: since.elapsed() }
}
