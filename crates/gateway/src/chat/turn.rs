//! Who asks, in which conversation, as which turn.

use aether_bus::Context;
use aether_proto::{PersonId, SessionId, TurnId};

use super::errands::Errand;

/// One typed turn. Every leg of it, where its answer waits for tools, has a generation of its own.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// With its session.
    pub context: Context,
    pub session: SessionId,
    pub id: TurnId,
    pub generation: u32,
    /// `None`: nobody in particular asks, and nothing is remembered of them.
    pub person: Option<PersonId>,
    pub person_name: String,
    /// How long the answer was before this leg.
    pub answered_before: usize,
    /// Nothing of it is written down or shown.
    pub off_the_record: bool,
}

impl Turn {
    /// Numbers of log entries and of chunks begin here, so that no leg of a turn has to know how many the one before took.
    pub const fn first_number(&self) -> u32 {
        self.generation << 16
    }

    /// Where the turn goes on once a client has run a tool.
    pub fn errand(&self, answered: usize) -> Errand {
        Errand { session: self.session, turn: self.id, generation: self.generation + 1, answered }
    }
}
