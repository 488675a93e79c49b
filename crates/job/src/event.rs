//! What can happen to a job.

/// Who a job was given to, as a number that rises each time: by a claim, and when somebody takes over to undo it. Never from
/// zero again, so that two holders of one job are never taken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Attempt(pub u32);

impl Attempt {
    #[must_use]
    pub(crate) const fn following(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It may wait for its turn.
    Admitted,
    /// A worker took it.
    Claimed,
    /// Of whoever holds the job, or held it once.
    Reported { attempt: Attempt, report: Report },
    /// The wait after a failure is over, or a person does not want to wait for its end.
    RetryDue,
    /// Its deadline has passed.
    Expired,
    /// Somebody knows now that it was given up.
    Told,
    /// A person wants all of it once more. A deadline that it had no longer counts.
    Replayed,
    /// It is not wanted any more.
    Cancelled,
}

/// What a worker says of its attempt, and what is said of it behind its back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The handler is done.
    Returned,
    /// The handler failed.
    Failed(Failure),
    /// The handler says: not now. That is no failure.
    Postponed,
    /// What the handler returned is good.
    Verified,
    /// It is not.
    Rejected(Failure),
    /// All that the job did is undone.
    Compensated,
    /// It could not be undone.
    NotCompensated(Failure),
    /// The worker's lease ran out. Said by whoever noticed.
    Lost,
}

/// Whether it is worth repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It may go better the next time.
    Passing,
    /// No repetition can make it right.
    Final,
}
