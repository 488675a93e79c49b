//! One conversation in one place: drives the floor machine and carries out what it decides.
//!
//! This file is what others see of a session: how it is started and the [`Handle`] on it. `shell.rs` is the loop in which
//! everything that happens becomes a floor event and comes back as effects; `turns.rs` begins, commits and ends turns;
//! `seats.rs` knows who is who.

mod seats;
mod shell;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog};
use aether_proto::{PersonId, RoomName, TurnId};
use aether_turn::floor::Phase;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::lane::{self, Ears, LaneInput};
use crate::media::{MediaEnd, Participant};
use shell::{Inputs, Shell};

/// How long the floor waits for what.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Speech over the agent's own stops it when it goes on for so long after it was noticed (which takes about 0.1 s).
    pub barge_in: Duration,
    /// Silence after a shorter overlap until the agent is loud again.
    pub resume: Duration,
    /// An answer that is not heard by then is given up and the person told.
    pub answer: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            barge_in: Duration::from_millis(400),
            resume: Duration::from_millis(250),
            answer: Duration::from_secs(40),
        }
    }
}

/// What a session is about.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tenant, agent and session of everything that is said here.
    pub context: Context,
    pub room: RoomName,
    /// A voice's name; empty for the default of tts.
    pub voice: String,
    pub lane: lane::Options,
    pub policy: Policy,
}

/// What a session works with.
#[derive(Clone)]
pub struct Parts {
    pub bus: Bus,
    pub turn_log: TurnLog,
    pub ears: Ears,
}

/// Somebody in the place, and who that is to the agent.
#[derive(Debug, Clone)]
pub struct Guest {
    pub participant: Participant,
    pub person: PersonId,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("somebody else has the floor: ask again when the agent is listening")]
    Busy,
    #[error("the session has ended")]
    Ended,
}

enum Command {
    Listen(Guest, oneshot::Sender<LaneInput>),
    Typed(Guest, String),
    Say(String, oneshot::Sender<Result<(), Refused>>),
    Interrupt,
}

/// A hold on a running session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    phase: watch::Receiver<Phase>,
    heard: watch::Receiver<Option<LastHeard>>,
}

/// How far the newest answer has been heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastHeard {
    pub turn: TurnId,
    pub text_bytes: usize,
}

impl Handle {
    /// Opens a lane for a participant's microphone.
    pub async fn listen(&self, guest: Guest) -> Result<LaneInput, Refused> {
        let (reply, input) = oneshot::channel();
        self.send(Command::Listen(guest, reply)).await?;
        input.await.map_err(|_| Refused::Ended)
    }

    /// Words that a participant wrote instead of speaking.
    pub async fn typed(&self, guest: Guest, text: String) -> Result<(), Refused> {
        self.send(Command::Typed(guest, text)).await
    }

    /// Has the agent say something by itself, if nobody else has the floor.
    pub async fn say(&self, text: String) -> Result<(), Refused> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::Say(text, reply)).await?;
        outcome.await.map_err(|_| Refused::Ended)?
    }

    /// Silences the agent.
    pub async fn interrupt(&self) -> Result<(), Refused> {
        self.send(Command::Interrupt).await
    }

    /// What the agent is doing, as it changes.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// How far the newest answer has been heard, as it is heard.
    pub fn heard(&self) -> watch::Receiver<Option<LastHeard>> {
        self.heard.clone()
    }

    async fn send(&self, command: Command) -> Result<(), Refused> {
        self.commands.send(command).await.map_err(|_| Refused::Ended)
    }
}

/// Starts a session; it runs until `shutdown`, or until the place is gone.
pub fn start(
    options: Options,
    parts: Parts,
    media: Arc<dyn MediaEnd>,
    shutdown: CancellationToken,
) -> (Handle, JoinHandle<()>) {
    let (commands, commands_in) = mpsc::channel(64);
    let (reports, reports_in) = mpsc::channel(256);
    let (answers, answers_in) = mpsc::channel(256);
    let (playout_events, playout_in) = mpsc::channel(1024);
    let (phase, phase_out) = watch::channel(Phase::Listening);
    let (heard, heard_out) = watch::channel(None);
    let inputs = Inputs { commands: commands_in, reports: reports_in, answers: answers_in, playout: playout_in };
    let shell = Shell::new(options, parts, media, shell::Outputs { reports, answers, playout_events, phase, heard });
    let running = tokio::spawn(shell.run(inputs, shutdown));
    (Handle { commands, phase: phase_out, heard: heard_out }, running)
}
