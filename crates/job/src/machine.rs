//! One job, from its submission to one of its two ends.
//!
//! ```text
//!            Admitted          Claimed            Returned            Verified
//!   PENDING ─────────► SCHEDULED ─────► EXECUTING ────────► VERIFYING ────────► COMMITTED
//!                       ▲  ▲  ▲          │    │ Failed, Lost    │ Rejected, Lost
//!                       │  │  └──────────┘    └────────┬────────┘
//!                       │  │   Postponed               ▼                   Told
//!                       │  └─────── RETRYING ◄────── FAILED ───► ESCALATED ──────► HUMAN_REVIEW
//!                       │  RetryDue                                                   │
//!                       └─────────────────────────────────────────────────────────────┘
//!                                                                               Replayed
//!
//!   PENDING, SCHEDULED or RETRYING and Expired ──► FAILED ──► ESCALATED
//!
//!                    Cancelled              Compensated
//!   any but an end ────────────► COMPENSATING ────────► ROLLED_BACK
//!                                  ▲      │
//!                                  └──────┤ Lost, NotCompensated
//!                                         └───► FAILED ──► ESCALATED
//! ```
//!
//! A job is taken from its worker only when the worker's lease has run out. So nothing undoes what somebody is still doing: a
//! job that is cancelled under a worker stays with it, and the worker, when it hears of it, stops and undoes; a deadline that
//! passes meanwhile is the worker's to keep. A job that is nobody's and has had a worker is taken over by whoever cancels it.
//!
//! From which follows whose a job is once a step is written down: in a state that [is held](State::is_held) it belongs to whoever
//! wrote the step if the attempt has risen with it, and otherwise to whom it belonged before; in any other state to nobody.

use thiserror::Error;

use crate::{Attempt, Event, Failure, Limits, Report, State};

/// The machine of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    state: State,
    attempt: Attempt,
    /// Attempts that failed since it was submitted, replayed or cancelled.
    failures: u32,
}

/// The event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The attempt is over, however it ended: what it did must not count.
    #[error("attempt {} is over; the last one is {}", .reported.0, .last.0)]
    Stale { reported: Attempt, last: Attempt },
    /// Nothing that this state waits for. A worker that is told so of COMPENSATING still holds the job, and is to undo it.
    #[error("{event:?} means nothing to a job that is {state}")]
    Misplaced { state: State, event: Event },
}

/// No step of the machine leads here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no job is {state} with {failures} failures in {} attempts", .attempt.0)]
pub struct Impossible {
    state: State,
    attempt: Attempt,
    failures: u32,
}

impl Default for Job {
    fn default() -> Self {
        Self::new()
    }
}

impl Job {
    pub const fn new() -> Self {
        Self { state: State::Pending, attempt: Attempt(0), failures: 0 }
    }

    /// The job as it was written down.
    pub fn restored(state: State, attempt: Attempt, failures: u32) -> Result<Self, Impossible> {
        let is_claimed = attempt != Attempt(0);
        if state == State::Failed || (state.is_held() && !is_claimed) || failures > attempt.0 {
            return Err(Impossible { state, attempt, failures });
        }
        Ok(Self { state, attempt, failures })
    }

    pub const fn state(&self) -> State {
        self.state
    }

    pub const fn attempt(&self) -> Attempt {
        self.attempt
    }

    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Every state that it goes through, in order and at least one; the last is where it is then.
    pub fn next(&mut self, event: Event, limits: &Limits) -> Result<Vec<State>, Refused> {
        let misplaced = Refused::Misplaced { state: self.state, event };
        let path = match event {
            Event::Reported { attempt, .. } if !self.is_held_under(attempt) => {
                return Err(Refused::Stale { reported: attempt, last: self.attempt });
            }
            Event::Reported { report, .. } => self.reported(report, limits),
            Event::Admitted if self.state == State::Pending => Some(vec![State::Scheduled]),
            Event::Claimed if self.state == State::Scheduled => {
                self.hand_over();
                Some(vec![State::Executing])
            }
            Event::RetryDue if self.state == State::Retrying => Some(vec![State::Scheduled]),
            Event::Expired if matches!(self.state, State::Pending | State::Scheduled | State::Retrying) => {
                Some(vec![State::Failed, State::Escalated])
            }
            Event::Told if self.state == State::Escalated => Some(vec![State::HumanReview]),
            Event::Replayed if self.state == State::HumanReview => {
                self.failures = 0;
                Some(vec![State::Scheduled])
            }
            Event::Cancelled if !self.state.is_final() && self.state != State::Compensating => Some(self.cancel()),
            _ => None,
        };
        let path = path.ok_or(misplaced)?;
        if let Some(state) = path.last() {
            self.state = *state;
        }
        Ok(path)
    }

    fn is_held_under(&self, attempt: Attempt) -> bool {
        self.state.is_held() && self.attempt == attempt
    }

    fn reported(&mut self, report: Report, limits: &Limits) -> Option<Vec<State>> {
        match (self.state, report) {
            (State::Executing, Report::Returned) => Some(vec![State::Verifying]),
            (State::Executing, Report::Postponed) => Some(vec![State::Scheduled]),
            (State::Verifying, Report::Verified) => Some(vec![State::Committed]),
            (State::Compensating, Report::Compensated) => Some(vec![State::RolledBack]),
            (State::Executing, Report::Failed(failure)) | (State::Verifying, Report::Rejected(failure)) => {
                Some(self.fail(failure, limits))
            }
            (State::Executing | State::Verifying, Report::Lost) => Some(self.fail(Failure::Passing, limits)),
            (State::Compensating, Report::NotCompensated(failure)) => Some(self.fail_to_undo(failure, limits)),
            (State::Compensating, Report::Lost) => Some(self.fail_to_undo(Failure::Passing, limits)),
            _ => None,
        }
    }

    fn fail(&mut self, failure: Failure, limits: &Limits) -> Vec<State> {
        if self.is_worth_repeating(failure, limits) {
            vec![State::Failed, State::Retrying]
        } else {
            vec![State::Failed, State::Escalated]
        }
    }

    /// What is half undone is not executed again, unless a person wants it: it stays where it is.
    fn fail_to_undo(&mut self, failure: Failure, limits: &Limits) -> Vec<State> {
        if self.is_worth_repeating(failure, limits) {
            self.hand_over();
            vec![State::Compensating]
        } else {
            vec![State::Failed, State::Escalated]
        }
    }

    fn is_worth_repeating(&mut self, failure: Failure, limits: &Limits) -> bool {
        self.failures = self.failures.saturating_add(1);
        failure == Failure::Passing && self.failures < limits.attempts.get()
    }

    fn cancel(&mut self) -> Vec<State> {
        self.failures = 0;
        if self.attempt == Attempt::default() {
            // Nobody ever had it, so there is nothing to undo.
            return vec![State::Compensating, State::RolledBack];
        }
        if !self.state.is_held() {
            self.hand_over();
        }
        vec![State::Compensating]
    }

    fn hand_over(&mut self) {
        self.attempt = self.attempt.following();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use Event::{Admitted, Cancelled, Claimed, Expired, Replayed, RetryDue, Told};
    use Report::{Compensated, Lost, NotCompensated, Postponed, Rejected, Returned, Verified};
    use State::{
        Committed, Compensating, Escalated, Executing, HumanReview, Retrying, RolledBack, Scheduled, Verifying,
    };

    const PASSING: Report = Report::Failed(Failure::Passing);
    const FINAL: Report = Report::Failed(Failure::Final);

    const fn two_attempts() -> Limits {
        Limits { attempts: NonZeroU32::new(2).unwrap(), ..Limits::DEFAULT }
    }

    const fn of(attempt: u32, report: Report) -> Event {
        Event::Reported { attempt: Attempt(attempt), report }
    }

    /// What the last of the events leads to; the job before.
    fn last(events: &[Event]) -> (Job, Job, Result<Vec<State>, Refused>) {
        let (last, before) = events.split_last().unwrap();
        let mut job = Job::new();
        for event in before {
            job.next(*event, &two_attempts()).unwrap();
        }
        let seen = job;
        let result = job.next(*last, &two_attempts());
        (seen, job, result)
    }

    #[test]
    fn transitions() {
        let table: &[(&str, &[Event], &[State])] = &[
            ("it is admitted", &[Admitted], &[Scheduled]),
            ("it is claimed", &[Admitted, Claimed], &[Executing]),
            ("its handler is done", &[Admitted, Claimed, of(1, Returned)], &[Verifying]),
            ("and rightly", &[Admitted, Claimed, of(1, Returned), of(1, Verified)], &[Committed]),
            ("a failure is repeated", &[Admitted, Claimed, of(1, PASSING)], &[State::Failed, Retrying]),
            ("after a while", &[Admitted, Claimed, of(1, PASSING), RetryDue], &[Scheduled]),
            (
                "until there were enough",
                &[Admitted, Claimed, of(1, PASSING), RetryDue, Claimed, of(2, PASSING)],
                &[State::Failed, Escalated],
            ),
            ("or it is final", &[Admitted, Claimed, of(1, FINAL)], &[State::Failed, Escalated]),
            ("a lost worker is a failure", &[Admitted, Claimed, of(1, Lost)], &[State::Failed, Retrying]),
            ("also while verifying", &[Admitted, Claimed, of(1, Returned), of(1, Lost)], &[State::Failed, Retrying]),
            (
                "what was done wrong is done again",
                &[Admitted, Claimed, of(1, Returned), of(1, Rejected(Failure::Passing))],
                &[State::Failed, Retrying],
            ),
            ("not now is no failure", &[Admitted, Claimed, of(1, Postponed)], &[Scheduled]),
            (
                "and takes no try",
                &[Admitted, Claimed, of(1, Postponed), Claimed, of(2, PASSING)],
                &[State::Failed, Retrying],
            ),
            ("too late to begin", &[Admitted, Expired], &[State::Failed, Escalated]),
            ("too late to try again", &[Admitted, Claimed, of(1, PASSING), Expired], &[State::Failed, Escalated]),
            ("somebody is told", &[Admitted, Expired, Told], &[HumanReview]),
            ("and has it done after all", &[Admitted, Expired, Told, Replayed], &[Scheduled]),
            (
                "with all tries again",
                &[Admitted, Claimed, of(1, FINAL), Told, Replayed, Claimed, of(2, PASSING)],
                &[State::Failed, Retrying],
            ),
            ("what never began is rolled back at once", &[Admitted, Cancelled], &[Compensating, RolledBack]),
            ("what had begun is undone", &[Admitted, Claimed, Cancelled], &[Compensating]),
            ("by its worker", &[Admitted, Claimed, Cancelled, of(1, Compensated)], &[RolledBack]),
            (
                "or by whoever cancels it",
                &[Admitted, Claimed, of(1, PASSING), Cancelled, of(2, Compensated)],
                &[RolledBack],
            ),
            ("and by another if that one is lost", &[Admitted, Claimed, Cancelled, of(1, Lost)], &[Compensating]),
            (
                "undoing, too, is tried only so often",
                &[Admitted, Claimed, Cancelled, of(1, Lost), of(2, NotCompensated(Failure::Passing))],
                &[State::Failed, Escalated],
            ),
            (
                "what can't be undone is a person's",
                &[Admitted, Claimed, Cancelled, of(1, NotCompensated(Failure::Final))],
                &[State::Failed, Escalated],
            ),
        ];
        for (name, events, expected) in table {
            let (_, after, result) = last(events);
            assert_eq!(result.as_deref(), Ok(*expected), "{name}");
            assert_eq!(Some(&after.state()), expected.last(), "{name}");
        }
    }

    #[test]
    fn refusals() {
        let stale = |reported: u32, last: u32| Refused::Stale { reported: Attempt(reported), last: Attempt(last) };
        let misplaced = |state: State, event: Event| Refused::Misplaced { state, event };
        let again: [Event; 5] = [Admitted, Claimed, of(1, Lost), RetryDue, Claimed];
        let with = |event: Event| again.into_iter().chain([event]).collect::<Vec<_>>();
        let table: Vec<(&str, Vec<Event>, Refused)> = vec![
            ("a lost worker comes back", with(of(1, Returned)), stale(1, 2)),
            ("a lost worker is lost once", with(of(1, Lost)), stale(1, 2)),
            ("nobody has got so far", with(of(3, Returned)), stale(3, 2)),
            ("a report is heard once", vec![Admitted, Claimed, of(1, Postponed), of(1, Postponed)], stale(1, 1)),
            ("a job has one worker", vec![Admitted, Claimed, Claimed], misplaced(Executing, Claimed)),
            (
                "nothing is committed unseen",
                vec![Admitted, Claimed, of(1, Verified)],
                misplaced(Executing, of(1, Verified)),
            ),
            ("a deadline takes it from nobody", vec![Admitted, Claimed, Expired], misplaced(Executing, Expired)),
            (
                "a worker hears that it is to undo",
                vec![Admitted, Claimed, Cancelled, of(1, Returned)],
                misplaced(Compensating, of(1, Returned)),
            ),
            ("it is cancelled once", vec![Admitted, Claimed, Cancelled, Cancelled], misplaced(Compensating, Cancelled)),
            ("an end is an end", vec![Cancelled, Replayed], misplaced(RolledBack, Replayed)),
        ];
        for (name, events, expected) in table {
            let (before, after, result) = last(&events);
            assert_eq!(result, Err(expected), "{name}");
            assert_eq!(after, before, "{name}");
        }
    }

    #[test]
    fn only_what_can_have_been_written_is_read() {
        assert_eq!(Job::restored(State::Pending, Attempt(0), 0), Ok(Job::new()));
        assert!(Job::restored(State::Failed, Attempt(1), 1).is_err(), "nothing rests there");
        assert!(Job::restored(State::Executing, Attempt(0), 0).is_err(), "nobody claimed it");
        let error = Job::restored(State::Retrying, Attempt(1), 2).unwrap_err();
        assert_eq!(error.to_string(), "no job is RETRYING with 2 failures in 1 attempts");
    }

    fn failure() -> impl Strategy<Value = Failure> {
        prop_oneof![Just(Failure::Passing), Just(Failure::Final)]
    }

    fn report() -> impl Strategy<Value = Report> {
        prop_oneof![
            Just(Report::Returned),
            failure().prop_map(Report::Failed),
            Just(Report::Postponed),
            Just(Report::Verified),
            failure().prop_map(Report::Rejected),
            Just(Report::Compensated),
            failure().prop_map(Report::NotCompensated),
            Just(Report::Lost),
        ]
    }

    /// Reports say how many attempts they are behind.
    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            2 => prop::sample::select(vec![Admitted, RetryDue, Expired, Told, Replayed, Cancelled]),
            2 => Just(Claimed),
            4 => (0u32..3, report())
                .prop_map(|(behind, report)| Event::Reported { attempt: Attempt(behind), report }),
        ]
    }

    proptest! {
        /// With any limit: what the exploration proves for a small one.
        #[test]
        fn a_step_is_whole_or_nothing(attempts in 1u32..6, events in prop::collection::vec(event(), 0..200)) {
            let limits = Limits { attempts: NonZeroU32::new(attempts).unwrap(), ..Limits::DEFAULT };
            let mut job = Job::new();
            for event in events {
                let event = match event {
                    Event::Reported { attempt: Attempt(behind), report } => {
                        Event::Reported { attempt: Attempt(job.attempt.0.saturating_sub(behind)), report }
                    }
                    other => other,
                };
                let before = job;
                match job.next(event, &limits) {
                    Ok(path) => {
                        prop_assert!(!before.state.is_final());
                        prop_assert_eq!(path.last(), Some(&job.state));
                        prop_assert!(job.attempt >= before.attempt && job.failures <= attempts);
                    }
                    Err(_) => prop_assert_eq!(job, before),
                }
                prop_assert_eq!(Job::restored(job.state, job.attempt, job.failures), Ok(job));
            }
        }
    }
}
