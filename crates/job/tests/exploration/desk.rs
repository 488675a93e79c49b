//! The row of one job: each event goes through it, and what comes out is watched.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use aether_job::{Attempt, Event, Job, Limits, Refused, State};

use crate::rule::Broken;

#[derive(Debug, Clone, PartialEq)]
pub struct Desk {
    pub limits: Limits,
    pub job: Job,
    /// Somebody had it, and may have done something that is not undone.
    pub has_effects: bool,
    /// Nobody wants it; until somebody replays it.
    pub is_cancelled: bool,
    pub commits: usize,
    pub broken: Option<Broken>,
    /// What it went through in the last step, from where it was.
    pub path: Vec<State>,
}

impl Desk {
    pub fn new(attempts: NonZeroU32) -> Self {
        let limits = Limits { attempts, ..Limits::DEFAULT };
        Self {
            limits,
            job: Job::new(),
            has_effects: false,
            is_cancelled: false,
            commits: 0,
            broken: None,
            path: Vec::new(),
        }
    }

    pub fn next(&mut self, event: Event) -> Result<(), Refused> {
        let before = self.job;
        let path = self.job.next(event, &self.limits).inspect_err(|_| {
            if self.job != before {
                self.broken = Some(Broken::RefusedAndDone);
            }
        })?;
        if before.state().is_final() {
            self.broken = Some(Broken::EndLeft);
        }
        // By the number alone, whatever the machine makes of it.
        if matches!(event, Event::Reported { attempt, .. } if attempt != before.attempt()) {
            self.broken = Some(Broken::LateHeard);
        }
        if path.last() != Some(&self.job.state()) {
            self.broken = Some(Broken::LedAstray);
        }
        match event {
            Event::Cancelled => self.is_cancelled = true,
            Event::Replayed => self.is_cancelled = false,
            _ => {}
        }
        for state in &path {
            match state {
                State::Executing | State::Committed if self.is_cancelled => self.broken = Some(Broken::DoneUnwanted),
                State::Executing => self.has_effects = true,
                State::Committed => self.commits += 1,
                State::RolledBack => self.has_effects &= !matches!(event, Event::Reported { .. }),
                _ => {}
            }
        }
        self.path = std::iter::once(before.state()).chain(path).collect();
        Ok(())
    }
}

/// By what decides what comes next. How many attempts there were does not, but whether there was any.
impl Hash for Desk {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { limits: _, job, has_effects, is_cancelled, commits, broken, path: _ } = self;
        (job.state(), job.failures(), job.attempt() == Attempt(0)).hash(hasher);
        (has_effects, is_cancelled, commits, broken).hash(hasher);
    }
}
