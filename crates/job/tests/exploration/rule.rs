//! What may never happen, as sentences of what is true instead; and what must happen somewhere.

use aether_job::State::{
    self, Committed, Compensating, Escalated, Executing, Failed, HumanReview, Pending, Retrying, RolledBack, Scheduled,
    Verifying,
};
use stateright::Property;

use crate::world::{Kernel, World};

/// What was found to be broken in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    LateHeard,
    RefusedAndDone,
    EndLeft,
    LedAstray,
    DoneUnwanted,
    TakenFromWorker,
    UndoneUnderWorker,
}

/// What is worth seeing: each happens somewhere, or the exploration explores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// A lost worker reports late.
    CameBack,
    Postponed,
    Replayed,
    CancelledUnderWorker,
    /// The worker had not heard of it.
    DoneAfterCancel,
    UndoneByAnother,
}

impl Sight {
    pub const ALL: [Self; 6] = [
        Self::CameBack,
        Self::Postponed,
        Self::Replayed,
        Self::CancelledUnderWorker,
        Self::DoneAfterCancel,
        Self::UndoneByAnother,
    ];
}

/// Which state follows on which: the picture in `machine.rs`.
pub const DRAWN: [(State, State); 25] = [
    (Pending, Scheduled),
    (Pending, Failed),
    (Pending, Compensating),
    (Scheduled, Executing),
    (Scheduled, Failed),
    (Scheduled, Compensating),
    (Executing, Verifying),
    (Executing, Scheduled),
    (Executing, Failed),
    (Executing, Compensating),
    (Verifying, Committed),
    (Verifying, Failed),
    (Verifying, Compensating),
    (Failed, Retrying),
    (Failed, Escalated),
    (Retrying, Scheduled),
    (Retrying, Failed),
    (Retrying, Compensating),
    (Escalated, HumanReview),
    (Escalated, Compensating),
    (HumanReview, Scheduled),
    (HumanReview, Compensating),
    (Compensating, Compensating),
    (Compensating, Failed),
    (Compensating, RolledBack),
];

fn is_whole(world: &World, what: Broken) -> bool {
    world.desk.broken != Some(what)
}

pub fn properties() -> Vec<Property<Kernel>> {
    let always = Property::<Kernel>::always;
    vec![
        always("one result is committed at most, and none of a job that was rolled back", |_, world| {
            world.desk.commits == usize::from(world.state() == Committed)
        }),
        always("nothing is left of a job that was rolled back", |_, world| {
            world.state() != RolledBack || !world.desk.has_effects
        }),
        always("no report of another attempt is heard", |_, world| is_whole(world, Broken::LateHeard)),
        always("what is refused changes nothing", |_, world| is_whole(world, Broken::RefusedAndDone)),
        always("what comes too late changes nothing", |_, world| world.ignores_what_is_late()),
        always("an end is never left", |_, world| is_whole(world, Broken::EndLeft) && world.stays_at_its_end()),
        always("each state follows on the one before as it is drawn", |_, world| world.keeps_to_the_picture()),
        always("what is written down ends where the job is", |_, world| is_whole(world, Broken::LedAstray)),
        always("what is written down can be read back", |_, world| world.is_read_back()),
        always("a job is taken from its worker only when the lease has run out", |_, world| {
            is_whole(world, Broken::TakenFromWorker) && world.belongs_to_its_worker()
        }),
        always("what was cancelled is done only if a person wants it again", |_, world| {
            is_whole(world, Broken::DoneUnwanted)
        }),
        always("nothing is undone while another works on it", |_, world| is_whole(world, Broken::UndoneUnderWorker)),
        always("no more attempts fail than the limit says", |_, world| world.keeps_to_the_limit()),
        always("whatever has become of it, it can still be done or undone", |_, world| {
            world.can_be_ended(Committed) && world.can_be_ended(RolledBack)
        }),
        always("where every worker dies and nobody helps, time alone leads to a person", |_, world| {
            world.leads_to_a_person()
        }),
    ]
}
