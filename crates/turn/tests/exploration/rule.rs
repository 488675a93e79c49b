//! What may never happen, as sentences of what is true instead; and what must happen somewhere.

use stateright::Property;

use crate::room::Room;
use crate::world::World;

/// What was found to be broken while an effect was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    TwoAtOnce,
    HeardUnwanted,
    EndedTwice,
    SaidByNobody,
    AnotherGuess,
    CountedUnheard,
    DuckedTwice,
    TakenBackByAnother,
    WordsNotPassedOn,
    MadeOnForNothing,
    HeldOffByNoise,
    NotTold,
    LaneOutOfStep,
}

/// What is worth seeing: each happens somewhere, or the exploration explores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    HeardToTheEnd,
    GuessLetGo,
    GuessWithdrawn,
    SpokenOver,
    LoudAgain,
    TimedOut,
    Failed,
    Unsaid,
    Waited,
    News,
    SilenceOnRequest,
}

impl Sight {
    pub const ALL: [Self; 11] = [
        Self::HeardToTheEnd,
        Self::GuessLetGo,
        Self::GuessWithdrawn,
        Self::SpokenOver,
        Self::LoudAgain,
        Self::TimedOut,
        Self::Failed,
        Self::Unsaid,
        Self::Waited,
        Self::News,
        Self::SilenceOnRequest,
    ];
}

fn is_whole(world: &World, what: Broken) -> bool {
    world.broken != Some(what)
}

pub fn properties() -> Vec<Property<Room>> {
    let always = Property::<Room>::always;
    vec![
        always("there are never two answers at once", |_, world| is_whole(world, Broken::TwoAtOnce)),
        always("nothing is heard of a turn that is not committed, or over", |_, world| {
            is_whole(world, Broken::HeardUnwanted)
        }),
        always("a turn that is committed ends once: completed, cancelled or failed", |_, world| {
            is_whole(world, Broken::EndedTwice)
        }),
        always(
            "only words that somebody finished are answered, and those that were written in their order",
            |_, world| is_whole(world, Broken::SaidByNobody),
        ),
        always("what was made ahead is let go only for the words it was made from", |_, world| {
            is_whole(world, Broken::AnotherGuess)
        }),
        always("what counts as heard was heard", |_, world| is_whole(world, Broken::CountedUnheard)),
        always("the voice is lowered and raised by turns", |_, world| is_whole(world, Broken::DuckedTwice)),
        always("while an answer is thought about, only whoever is answered takes the question back", |_, world| {
            is_whole(world, Broken::TakenBackByAnother)
        }),
        always("the words so far reach whoever prepares the answer", |_, world| {
            is_whole(world, Broken::WordsNotPassedOn)
        }),
        always("whoever goes on speaking ends what was made ahead", |_, world| {
            is_whole(world, Broken::MadeOnForNothing)
        }),
        always("a noise does not hold off the deadline of an answer", |_, world| {
            is_whole(world, Broken::HeldOffByNoise)
        }),
        always("whoever gets no answer is told", |_, world| is_whole(world, Broken::NotTold)),
        always("an utterance ends once", |_, world| is_whole(world, Broken::LaneOutOfStep)),
        always("what is under way fits what is shown", |_, world| world.is_consistent()),
        always("while the agent thinks, a deadline runs", |_, world| world.thinks_with_a_deadline()),
        always("the voice is low only under another, or until the deadline to raise it", |_, world| {
            world.is_low_for_a_reason()
        }),
        always("what could be answered now does not wait", |_, world| world.waits_for_a_reason()),
        always("what comes too late changes nothing", |_, world| world.ignores_what_is_late()),
        always(
            "where all fall silent, and no part ever answers, deadlines alone lead to listening with nothing owed",
            |_, world| world.clone().settles(),
        ),
    ]
}
