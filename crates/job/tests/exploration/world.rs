//! The world around one job: what workers, the clock and people can do, in any order, or not at all.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use aether_job::{Attempt, Event, Failure, Refused, Report, State};
use stateright::{Model, Property};

use crate::desk::Desk;
use crate::rule::{self, Broken, Sight};

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub desk: Desk,
    pub workers: Vec<Option<Work>>,
    /// What was seen in the last step.
    pub sights: Vec<Sight>,
}

/// What a worker is at, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    pub attempt: Attempt,
    pub phase: Phase,
    /// Its lease has run out, and it does not know.
    pub is_lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Executing,
    Verifying,
    Undoing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Claim(usize),
    Report(usize, Report),
    /// The worker hears that its job is cancelled.
    Hear(usize),
    /// The worker is killed; nobody knows before its lease runs out.
    Die(usize),
    /// The lease has run out. Whoever notices takes over what is to be undone: this worker, or somebody who is gone in the next
    /// moment.
    Lose(Option<usize>),
    /// Whoever cancels it takes over what is to be undone, in the same way.
    Cancel(Option<usize>),
    /// What time and people do.
    Event(Event),
}

/// How much of the world is explored. Claims, postponements and replays have no bound.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub workers: usize,
    pub attempts: NonZeroU32,
}

pub struct Kernel {
    bounds: Bounds,
    seen: Mutex<Seen>,
}

/// What happened anywhere.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub ways: HashSet<(State, State)>,
    pub sights: HashSet<Sight>,
}

impl Kernel {
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, seen: Mutex::default() }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, world: &World) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ways.extend(world.desk.path.windows(2).map(|way| (way[0], way[1])));
        seen.sights.extend(&world.sights);
    }
}

impl Phase {
    fn reports(self) -> &'static [Report] {
        use Failure::{Final, Passing};
        match self {
            Self::Executing => &[Report::Returned, Report::Postponed, Report::Failed(Passing), Report::Failed(Final)],
            Self::Verifying => &[Report::Verified, Report::Rejected(Passing), Report::Rejected(Final)],
            Self::Undoing => &[Report::Compensated, Report::NotCompensated(Passing), Report::NotCompensated(Final)],
        }
    }
}

impl World {
    fn new(bounds: Bounds) -> Self {
        Self { desk: Desk::new(bounds.attempts), workers: vec![None; bounds.workers], sights: Vec::new() }
    }

    pub fn state(&self) -> State {
        self.desk.job.state()
    }

    /// The worker has the job now, under the attempt that was just written down.
    fn give(&mut self, worker: usize, phase: Phase) {
        let attempt = self.desk.job.attempt();
        if phase == Phase::Undoing && self.workers.iter().flatten().any(|work| !work.is_lost) {
            self.desk.broken = Some(Broken::UndoneUnderWorker);
        }
        self.workers[worker] = Some(Work { attempt, phase, is_lost: false });
    }

    fn claim(&mut self, worker: usize) {
        if self.desk.next(Event::Claimed).is_ok() {
            self.give(worker, Phase::Executing);
        }
    }

    fn report(&mut self, worker: usize, report: Report) {
        let Some(mut work) = self.workers[worker].take() else { return };
        match self.desk.next(Event::Reported { attempt: work.attempt, report }) {
            Ok(()) if self.state() == State::Verifying => {
                self.workers[worker] = Some(Work { phase: Phase::Verifying, ..work });
            }
            Ok(()) if self.state() == State::Compensating => self.give(worker, Phase::Undoing),
            Ok(()) => self.sights.extend((report == Report::Postponed).then_some(Sight::Postponed)),
            Err(Refused::Misplaced { state: State::Compensating, .. }) => {
                self.sights.push(Sight::DoneAfterCancel);
                work.phase = Phase::Undoing;
                self.workers[worker] = Some(work);
            }
            Err(Refused::Stale { .. }) if work.is_lost => self.sights.push(Sight::CameBack),
            Err(_) => self.desk.broken = Some(Broken::TakenFromWorker),
        }
    }

    fn hear(&mut self, worker: usize) {
        let is_cancelled = self.state() == State::Compensating;
        let attempt = self.desk.job.attempt();
        if let Some(work) = &mut self.workers[worker]
            && is_cancelled
            && work.attempt == attempt
        {
            work.phase = Phase::Undoing;
        }
    }

    fn lose(&mut self, noticed_by: Option<usize>) {
        let attempt = self.desk.job.attempt();
        if self.desk.next(Event::Reported { attempt, report: Report::Lost }).is_err() {
            return;
        }
        for work in self.workers.iter_mut().flatten().filter(|work| work.attempt == attempt) {
            work.is_lost = true;
        }
        if self.state() == State::Compensating {
            self.sights.push(Sight::UndoneByAnother);
            noticed_by.into_iter().for_each(|worker| self.give(worker, Phase::Undoing));
        }
    }

    fn cancel(&mut self, by: Option<usize>) {
        let was_held = self.state().is_held();
        if self.desk.next(Event::Cancelled).is_err() {
            return;
        }
        match by {
            _ if was_held => self.sights.push(Sight::CancelledUnderWorker),
            Some(worker) if self.state() == State::Compensating => self.give(worker, Phase::Undoing),
            _ => {}
        }
    }
}

impl Model for Kernel {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What is broken is not explored any further.
        if world.desk.broken.is_some() || !world.keeps_to_the_limit() {
            return;
        }
        for (worker, work) in world.workers.iter().enumerate() {
            match work {
                None => {
                    actions.push(Action::Claim(worker));
                    actions.extend([Action::Lose(Some(worker)), Action::Cancel(Some(worker))]);
                }
                Some(work) => {
                    actions.extend(work.phase.reports().iter().map(|report| Action::Report(worker, *report)));
                    actions.extend([Action::Hear(worker), Action::Die(worker)]);
                }
            }
        }
        actions.extend([Action::Lose(None), Action::Cancel(None)]);
        let events = [Event::Admitted, Event::RetryDue, Event::Expired, Event::Told, Event::Replayed];
        actions.extend(events.map(Action::Event));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        world.sights.clear();
        world.desk.path.clear();
        match action {
            Action::Claim(worker) => world.claim(worker),
            Action::Report(worker, report) => world.report(worker, report),
            Action::Hear(worker) => world.hear(worker),
            Action::Die(worker) => world.workers[worker] = None,
            Action::Lose(worker) => world.lose(worker),
            Action::Cancel(by) => world.cancel(by),
            Action::Event(event) => {
                let happened = world.desk.next(event).is_ok();
                world.sights.extend((happened && event == Event::Replayed).then_some(Sight::Replayed));
            }
        }
        self.see(&world);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rule::properties()
    }
}

/// Of an attempt only whether it is the last.
impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { desk, workers, sights: _ } = self;
        desk.hash(hasher);
        for work in workers {
            work.map(|work| (work.attempt == desk.job.attempt(), work.phase, work.is_lost)).hash(hasher);
        }
    }
}
