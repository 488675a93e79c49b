//! What the agent can't do right now, and when it can again.
//!
//! A part that failed in front of somebody is asked every few seconds whether it is back, so that the agent can say so. A part
//! that is there is not asked at all.

use std::collections::HashMap;
use std::time::Duration;

use aether_bus::{Bus, Context};
use aether_proto::{ErrorCode, ReadyReply, ReadyRequest, subject};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::phrases::NO_VOICE;

/// A part that does not answer by then is not back.
const REPLY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ability {
    Thinking,
    Speaking,
}

impl Ability {
    /// What this failure means the agent can't do.
    pub(super) const fn lost_by(code: ErrorCode) -> Option<Self> {
        match code {
            ErrorCode::LlmUnavailable | ErrorCode::Unavailable | ErrorCode::DeadlineExceeded => Some(Self::Thinking),
            ErrorCode::TtsUnavailable => Some(Self::Speaking),
            _ => None,
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::Thinking => subject::BRAIN_READY,
            Self::Speaking => subject::TTS_READY,
        }
    }

    /// Code and sentence of the status that says it is lost.
    pub(super) const fn lost(self) -> (&'static str, &'static str) {
        match self {
            Self::Thinking => ("llm_unavailable", "I can't think right now. I will say when I can again."),
            Self::Speaking => ("tts_unavailable", NO_VOICE),
        }
    }

    /// The same for when it is back.
    pub(super) const fn back(self) -> (&'static str, &'static str) {
        match self {
            Self::Thinking => ("llm_available", "I can think again."),
            Self::Speaking => ("tts_available", "My voice is back."),
        }
    }
}

pub(super) struct Away {
    bus: Bus,
    context: Context,
    every: Duration,
    back: mpsc::Sender<Ability>,
    /// Dropping the guard ends the asking.
    lost: HashMap<Ability, DropGuard>,
}

impl Away {
    /// `back` gets an ability as soon as it is there again.
    pub(super) fn new(bus: Bus, context: Context, every: Duration, back: mpsc::Sender<Ability>) -> Self {
        Self { bus, context, every, back, lost: HashMap::new() }
    }

    pub(super) fn is_lost(&self, ability: Ability) -> bool {
        self.lost.contains_key(&ability)
    }

    /// False: this is known.
    pub(super) fn lose(&mut self, ability: Ability) -> bool {
        if self.is_lost(ability) {
            return false;
        }
        let stop = CancellationToken::new();
        let asking = ask(self.bus.clone(), self.context.clone(), self.every, ability, self.back.clone());
        self.lost.insert(ability, stop.clone().drop_guard());
        tokio::spawn(stop.run_until_cancelled_owned(asking));
        true
    }

    /// False: it was not lost.
    pub(super) fn regain(&mut self, ability: Ability) -> bool {
        self.lost.remove(&ability).is_some()
    }
}

async fn ask(bus: Bus, context: Context, every: Duration, ability: Ability, back: mpsc::Sender<Ability>) {
    loop {
        sleep(every).await;
        let context = context.clone().with_deadline(REPLY);
        let reply = bus.request::<_, ReadyReply>(&context, ability.subject(), &ReadyRequest {}).await;
        if reply.is_ok_and(|reply| reply.ready) {
            // A session that has ended no longer cares.
            let _ = back.send(ability).await;
            return;
        }
    }
}
