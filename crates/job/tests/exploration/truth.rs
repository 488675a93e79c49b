//! What is true in every state.

use aether_job::{Attempt, Event, Failure, Job, Refused, Report, State};

use crate::rule::DRAWN;
use crate::world::World;

/// More events than it takes to lead a job anywhere.
const PATIENCE: usize = 30;

const REPORTS: [Report; 11] = [
    Report::Returned,
    Report::Failed(Failure::Passing),
    Report::Failed(Failure::Final),
    Report::Postponed,
    Report::Verified,
    Report::Rejected(Failure::Passing),
    Report::Rejected(Failure::Final),
    Report::Compensated,
    Report::NotCompensated(Failure::Passing),
    Report::NotCompensated(Failure::Final),
    Report::Lost,
];

const EVENTS: [Event; 7] =
    [Event::Admitted, Event::Claimed, Event::RetryDue, Event::Expired, Event::Told, Event::Replayed, Event::Cancelled];

impl World {
    /// Whatever a worker of an attempt that is over may say: one that was before, and the last where nobody has the job.
    pub fn ignores_what_is_late(&self) -> bool {
        let job = self.desk.job;
        let Attempt(last) = job.attempt();
        let is_ignored = |attempt| {
            REPORTS.into_iter().all(|report| {
                let event = Event::Reported { attempt: Attempt(attempt), report };
                matches!(self.refused(event), Some(Refused::Stale { .. }))
            })
        };
        (0..last).all(is_ignored) && is_ignored(last + 1) && (job.state().is_held() || is_ignored(last))
    }

    pub fn stays_at_its_end(&self) -> bool {
        !self.state().is_final() || self.events().all(|event| self.refused(event).is_some())
    }

    /// Whatever is said of it, also what nobody in their right mind would say.
    pub fn keeps_to_the_picture(&self) -> bool {
        self.events().all(|event| {
            let mut job = self.desk.job;
            let path = job.next(event, &self.desk.limits).unwrap_or_default();
            let path: Vec<_> = std::iter::once(self.state()).chain(path).collect();
            path.windows(2).all(|way| DRAWN.contains(&(way[0], way[1])))
        })
    }

    pub fn is_read_back(&self) -> bool {
        let job = self.desk.job;
        Job::restored(job.state(), job.attempt(), job.failures()) == Ok(job)
    }

    /// Whoever works and was not lost is the one whose attempt it is.
    pub fn belongs_to_its_worker(&self) -> bool {
        let job = self.desk.job;
        let mut workers = self.workers.iter().flatten().filter(|work| !work.is_lost);
        let is_its = workers.next().is_none_or(|work| job.state().is_held() && work.attempt == job.attempt());
        is_its && workers.next().is_none()
    }

    pub fn keeps_to_the_limit(&self) -> bool {
        let is_spent = matches!(self.state(), State::Escalated | State::HumanReview);
        let (failures, limit) = (self.desk.job.failures(), self.desk.limits.attempts.get());
        failures < limit || (failures == limit && is_spent)
    }

    /// Everybody does what they can to bring it there.
    pub fn can_be_ended(&self, end: State) -> bool {
        let Some(job) = self.led(|job| {
            let report = |report| Event::Reported { attempt: job.attempt(), report };
            match job.state() {
                state if state.is_final() => None,
                State::Compensating if end == State::RolledBack => Some(report(Report::Compensated)),
                // Only a person can want again what was cancelled.
                State::Compensating => Some(report(Report::NotCompensated(Failure::Final))),
                _ if end == State::RolledBack => Some(Event::Cancelled),
                State::Pending => Some(Event::Admitted),
                State::Scheduled => Some(Event::Claimed),
                State::Executing => Some(report(Report::Returned)),
                State::Verifying => Some(report(Report::Verified)),
                State::Retrying => Some(Event::RetryDue),
                State::Escalated => Some(Event::Told),
                State::HumanReview => Some(Event::Replayed),
                State::Failed | State::Committed | State::RolledBack => None,
            }
        }) else {
            return false;
        };
        self.state().is_final() || job.state() == end
    }

    /// Workers claim, and die. A deadline may pass, or there is none.
    pub fn leads_to_a_person(&self) -> bool {
        [true, false].into_iter().all(|expires| {
            let led = self.led(|job| match job.state() {
                State::Pending if expires => Some(Event::Expired),
                State::Pending => Some(Event::Admitted),
                State::Scheduled if expires => Some(Event::Expired),
                State::Scheduled => Some(Event::Claimed),
                State::Executing | State::Verifying | State::Compensating => {
                    Some(Event::Reported { attempt: job.attempt(), report: Report::Lost })
                }
                State::Retrying => Some(Event::RetryDue),
                State::Escalated => Some(Event::Told),
                State::HumanReview | State::Failed | State::Committed | State::RolledBack => None,
            });
            led.is_some_and(|job| job.state() == State::HumanReview || job.state().is_final())
        })
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        let attempt = self.desk.job.attempt();
        EVENTS.into_iter().chain(REPORTS.map(|report| Event::Reported { attempt, report }))
    }

    /// How the event is refused, if it is and changes nothing.
    fn refused(&self, event: Event) -> Option<Refused> {
        let mut job = self.desk.job;
        job.next(event, &self.desk.limits).err().filter(|_| job == self.desk.job)
    }

    /// Where the job comes to, if each of these events is taken and there is an end of them.
    fn led(&self, event: impl Fn(&Job) -> Option<Event>) -> Option<Job> {
        let mut job = self.desk.job;
        for _ in 0..PATIENCE {
            let Some(event) = event(&job) else { return Some(job) };
            job.next(event, &self.desk.limits).ok()?;
        }
        None
    }
}
