//! `aether doctor`: everything that a start, a room or a turn may fail at, looked at beforehand, each with what to do about it.
//!
//! - [`check`] has one file for each thing that is looked at. They look all at the same time, each within a deadline, and
//!   give [`Finding`]s; what decides whether a finding is well is pure.
//! - [`Surroundings`] is what they look at: the settings, and what runs.
//! - [`wire`] asks servers in their own protocols, with nothing between that would hide why they say no.
//! - [`Report`] is what came of it, [`bundle`] the same with logs for whoever helps, without secrets and words.
//!
//! Nothing here mends anything or changes what it looks at; the spoken turn at the end leaves a session of its own.

mod bundle;
mod check;
mod finding;
mod numbers;
mod report;
mod surroundings;
mod wire;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::timeout;

use self::finding::{Finding, Section, Status};
use self::report::Report;
use self::surroundings::Surroundings;
use crate::{Context, Error, print};

/// Look at everything that may fail, and say how to mend it.
///
/// Looks at settings, programs, ports, disk, models, GPU and memory; asks NATS, Postgres, Redis, LiveKit and the language
/// model about their versions, rights and clocks; sends packets to LiveKit as a browser would; measures how long an answer
/// will take; and, while Aether runs, asks one question by voice. Exits with 1 when something must be mended.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aether doctor\n  aether doctor --no-turn --no-speed              without what takes seconds\n  \
    aether doctor --json | jq '.findings[] | select(.status == \"problem\")'\n  \
    aether doctor --bundle support.tar.gz           for whoever helps you\n\n\
    The JSON object has: shape (1), version, well (nothing must be mended), up, took_ms, ok, skipped, warnings, problems \
    (how many of each) and findings, each with section, status (ok, skipped, warning, problem), subject, found, remedy \
    (or null) and figures (name to number; the unit is in the name). Fields are added, never changed, within a shape.\n\n\
    The bundle holds this report, the settings as `aether config` shows them, versions, the services' health and the end of \
    every log, without passwords, keys and tokens, and without what anybody said. Look into it before you send it."
)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also write a support archive (tar.gz)
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Ask no question by voice
    #[arg(long)]
    no_turn: bool,
    /// Don't measure how fast hearing, thinking and speaking are
    #[arg(long)]
    no_speed: bool,
}

type Looking = Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>;

/// Something to look at, and how long that may take.
struct Check {
    section: Section,
    name: &'static str,
    within: Duration,
    looking: Looking,
}

impl Check {
    fn new<F>(
        section: Section,
        name: &'static str,
        seconds: u64,
        look: impl FnOnce(Arc<Surroundings>) -> F,
        around: &Arc<Surroundings>,
    ) -> Self
    where
        F: Future<Output = Vec<Finding>> + Send + 'static,
    {
        Self { section, name, within: Duration::from_secs(seconds), looking: Box::pin(look(Arc::clone(around))) }
    }

    /// Looks in a task of its own, so that whatever breaks there breaks nothing here.
    async fn run(self) -> (&'static str, Vec<Finding>) {
        let Self { section, name, within, looking } = self;
        let mut task = tokio::spawn(looking);
        let findings = match timeout(within, &mut task).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(_)) => {
                vec![section.problem(name, "the look at it broke off", "report this, with what stands above")]
            }
            Err(_) => {
                task.abort();
                let found = format!("no answer within {} s", within.as_secs());
                vec![section.problem(name, found, "is it busy, or does a firewall drop packets on the way to it?")]
            }
        };
        (name, findings)
    }
}

pub async fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    let began = Instant::now();
    let around = Arc::new(Surroundings::see(context)?);
    let progress = Progress::new();
    let mut findings = vec![check::clock::own(SystemTime::now())];
    findings.extend(all(questions(&around), &progress).await);
    // Hashing takes the processor, and would be in the times that servers take to answer.
    findings
        .extend(all(vec![Check::new(Section::Models, "models", 60, check::models::look, &around)], &progress).await);
    // What is timed has the machine for itself.
    if !arguments.no_speed {
        findings
            .extend(all(vec![Check::new(Section::Speed, "speed", 20, check::speed::look, &around)], &progress).await);
    }
    if !arguments.no_turn {
        findings.extend(
            all(vec![Check::new(Section::Turn, "a question", 90, check::turn::look, &around)], &progress).await,
        );
    }
    drop(progress);
    let report = Report::new(findings, around.is_up(), began.elapsed());
    if arguments.json {
        print::line(&report.to_json().to_string())?;
    } else {
        print::line(&report.to_string())?;
    }
    if let Some(file) = &arguments.bundle {
        bundle::write(file, &around, &report).await?;
        if !arguments.json {
            print::line(&format!("The support archive is {}: look into it before you send it.", file.display()))?;
        }
    }
    if report.is_well() { Ok(()) } else { Err(Error::Told) }
}

/// What waits more than it works, so that all of it goes on at the same time.
fn questions(around: &Arc<Surroundings>) -> Vec<Check> {
    use Section::{Disk, Hardware, LanguageModel, Livekit, Nats, Ports, Postgres, Redis, Services, Setup};
    vec![
        Check::new(Setup, "setup", 5, check::setup::look, around),
        Check::new(Disk, "disk", 5, check::disk::look, around),
        Check::new(Ports, "ports", 5, check::ports::look, around),
        Check::new(Hardware, "processor and GPU", 8, check::graphics::look, around),
        Check::new(Hardware, "memory", 8, check::memory::look, around),
        Check::new(Nats, "NATS", 5, check::nats::look, around),
        Check::new(Postgres, "Postgres", 6, check::postgres::look, around),
        Check::new(Redis, "Redis", 5, check::redis::look, around),
        Check::new(Livekit, "LiveKit", 20, check::livekit::look, around),
        Check::new(LanguageModel, "the language model", 8, check::language_model::look, around),
        Check::new(Services, "services", 5, check::services::look, around),
    ]
}

async fn all(checks: Vec<Check>, progress: &Progress) -> Vec<Finding> {
    let mut names: Vec<_> = checks.iter().map(|check| check.name).collect();
    let mut running: FuturesUnordered<_> = checks.into_iter().map(Check::run).collect();
    let mut findings = Vec::new();
    progress.show(&names);
    while let Some((name, found)) = running.next().await {
        findings.extend(found);
        names.retain(|still| *still != name);
        progress.show(&names);
    }
    findings
}

/// What is still being looked at, on a terminal only.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} looking at {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    fn show(&self, names: &[&str]) {
        if let Some(bar) = &self.0 {
            bar.set_message(names.join(", "));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(looking: Looking) -> Check {
        Check { section: Section::Nats, name: "NATS", within: Duration::from_millis(50), looking }
    }

    #[tokio::test]
    async fn a_look_that_hangs_or_breaks_is_a_problem_and_nothing_more() {
        let (_, findings) = check(Box::pin(std::future::pending())).run().await;
        assert_eq!((findings[0].status, findings[0].found.as_str()), (Status::Problem, "no answer within 0 s"));
        let (_, findings) = check(Box::pin(async { panic!("on purpose") })).run().await;
        assert_eq!(findings[0].found, "the look at it broke off");
    }
}
