//! One conversation in one place: drives the floor machine and carries out what it decides.
//!
//! This file is what others see of a session: how it is started and the [`Handle`] on it. `shell.rs` is the loop in which
//! everything that happens becomes a floor event and comes back as effects; `turns.rs` begins, commits and ends turns;
//! `seats.rs` knows who is who, `away.rs` what the agent can't do right now, `manners.rs` how it behaves meanwhile.

mod away;
mod manners;
mod seats;
mod shell;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aether_bus::{Bus, Context, TurnLog};
use aether_proto::{AgentState, PersonId, RoomName, TurnId};
use aether_turn::floor::Phase;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::lane::{self, Ears, LaneInput};
use crate::media::{MediaEnd, Participant};
use crate::phrases::Phrases;
use shell::{Inputs, Shell};

/// How long the floor waits for what.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Speech over the agent's own stops it when it goes on for so long, and nothing of it could be understood meanwhile.
    pub barge_in: Duration,
    /// The same once something of it was understood, and was not meant.
    pub overlap: Duration,
    /// Silence after a shorter overlap until the agent is loud again, if it is not known by then what was said.
    pub resume: Duration,
    /// Who has heard nothing of an answer by then is asked for a moment.
    pub moment: Duration,
    /// An answer that is not heard by then is given up and the person told.
    pub answer: Duration,
    /// Between two questions to a part that was away, whether it is back.
    pub ask_again: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            barge_in: Duration::from_millis(900),
            overlap: Duration::from_millis(1_500),
            resume: Duration::from_millis(1_000),
            moment: Duration::from_secs(4),
            answer: Duration::from_secs(40),
            ask_again: Duration::from_secs(2),
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
    /// How it begins.
    pub manners: Manners,
    /// The folder in which a trace of the machines is kept, for `aether turn replay`. It holds what people say.
    pub trace: Option<PathBuf>,
}

/// How the agent behaves because somebody asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manners {
    /// It answers in writing and is not heard.
    pub muted: bool,
    /// Nothing that is said is kept.
    pub off_the_record: bool,
}

/// A turn that was committed and has not ended.
#[derive(Debug, Clone)]
pub struct OpenTurn {
    pub turn: TurnId,
    pub guest: Guest,
    pub words: String,
}

/// What a session works with.
#[derive(Clone)]
pub struct Parts {
    pub bus: Bus,
    pub turn_log: TurnLog,
    pub ears: Ears,
    pub phrases: Phrases,
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
    Arrived(Guest),
    /// Of this identity.
    Left(String),
    Typed(Guest, String),
    TakeUp(OpenTurn),
    Say(String, oneshot::Sender<Result<(), Refused>>),
    Announce(String, oneshot::Sender<Result<(), Refused>>),
    /// These are answered once it is so.
    Interrupt(oneshot::Sender<()>),
    SetMuted(bool, oneshot::Sender<()>),
    SetOffTheRecord(bool, oneshot::Sender<()>),
}

/// A hold on a running session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    phase: watch::Receiver<Phase>,
    heard: watch::Receiver<Option<LastHeard>>,
    manners: watch::Receiver<Manners>,
    open_turn: watch::Receiver<Option<OpenTurn>>,
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

    /// Somebody is here now, whether they speak or not.
    pub async fn arrived(&self, guest: Guest) -> Result<(), Refused> {
        self.send(Command::Arrived(guest)).await
    }

    pub async fn left(&self, identity: String) -> Result<(), Refused> {
        self.send(Command::Left(identity)).await
    }

    /// Words that a participant wrote instead of speaking. They are answered in their turn.
    pub async fn typed(&self, guest: Guest, text: String) -> Result<(), Refused> {
        self.send(Command::Typed(guest, text)).await
    }

    /// Has the agent say something by itself, if nobody else has the floor.
    pub async fn say(&self, text: String) -> Result<(), Refused> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::Say(text, reply)).await?;
        outcome.await.map_err(|_| Refused::Ended)?
    }

    /// The same as soon as nobody else has the floor. Refused where too much waits for that already.
    pub async fn announce(&self, text: String) -> Result<(), Refused> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::Announce(text, reply)).await?;
        outcome.await.map_err(|_| Refused::Ended)?
    }

    /// Takes up the turn that another agent left open in this session: closes it in the log, and answers its words once what
    /// was announced before has been said. Somebody who is not here any more is not answered.
    pub async fn take_up(&self, open: OpenTurn) -> Result<(), Refused> {
        self.send(Command::TakeUp(open)).await
    }

    /// Has the agent answer in writing only, or aloud again. An answer that is being spoken falls silent.
    pub async fn set_muted(&self, muted: bool) -> Result<(), Refused> {
        let (done, is_done) = oneshot::channel();
        self.send(Command::SetMuted(muted, done)).await?;
        is_done.await.map_err(|_| Refused::Ended)
    }

    /// From now on nothing is kept, or everything is again. When this returns, nothing more goes to the log.
    pub async fn set_off_the_record(&self, off: bool) -> Result<(), Refused> {
        let (done, is_done) = oneshot::channel();
        self.send(Command::SetOffTheRecord(off, done)).await?;
        is_done.await.map_err(|_| Refused::Ended)
    }

    /// Silences the agent.
    pub async fn interrupt(&self) -> Result<(), Refused> {
        let (done, is_done) = oneshot::channel();
        self.send(Command::Interrupt(done)).await?;
        is_done.await.map_err(|_| Refused::Ended)
    }

    /// What the agent is doing, as it changes.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// How far the newest answer has been heard, as it is heard.
    pub fn heard(&self) -> watch::Receiver<Option<LastHeard>> {
        self.heard.clone()
    }

    pub fn manners(&self) -> watch::Receiver<Manners> {
        self.manners.clone()
    }

    /// The turn that is being answered, as far as it is on the record.
    pub fn open_turn(&self) -> watch::Receiver<Option<OpenTurn>> {
        self.open_turn.clone()
    }

    async fn send(&self, command: Command) -> Result<(), Refused> {
        self.commands.send(command).await.map_err(|_| Refused::Ended)
    }
}

/// What clients are told that the agent is doing.
pub const fn agent_state(phase: Phase) -> AgentState {
    match phase {
        Phase::Listening => AgentState::Listening,
        Phase::Thinking => AgentState::Thinking,
        Phase::Speaking => AgentState::Speaking,
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
    let (manners, manners_out) = watch::channel(options.manners);
    let (open_turn, open_turn_out) = watch::channel(None);
    let (back, back_in) = mpsc::channel(4);
    let inputs =
        Inputs { commands: commands_in, reports: reports_in, answers: answers_in, playout: playout_in, back: back_in };
    let outputs = shell::Outputs { reports, answers, playout_events, phase, heard, manners, open_turn, back };
    let shell = Shell::new(options, parts, media, outputs);
    let running = tokio::spawn(shell.run(inputs, shutdown).in_current_span());
    let handle =
        Handle { commands, phase: phase_out, heard: heard_out, manners: manners_out, open_turn: open_turn_out };
    (handle, running)
}
