//! How many jobs a second go through all their states, each of them on the disk, and what those notice who write meanwhile.

use std::time::{Duration, Instant};

use aether_bus::{Bus, Context as BusContext};
use aether_proto::{AgentId, KernelReply, KernelRequest, TenantId, subject};
use aether_store::{Login, Store};
use aether_supervisor::{Layout, Stack};
use futures::{StreamExt as _, stream};
use reqwest::Client;
use serde::Serialize;
use tokio::time::sleep;

use super::gateway::{TOKENS, Way, ask, door};
use super::processes::Processor;
use super::scripted_model::{self, FIRST_TOKEN, ScriptedModel};
use super::stand::{self, Program, Stand, TENANT};
use super::{Spread, machine};
use crate::{Context, Error, print};

/// Submissions that are under way at once.
const AT_ONCE: usize = 256;
/// Between two looks whether all are done.
const LOOK: Duration = Duration::from_millis(50);
const WARM_UP: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(20);
const DONE_WITHIN: Duration = Duration::from_secs(600);

/// Measure how many jobs a second are done, and what that costs those who write meanwhile.
///
/// Starts a scheduler, a brain and a gateway of its own, with a database that writes each commit to the disk and a language model
/// that answers by the clock. Submits jobs that do nothing and waits until all have gone through every state. Then questions are
/// asked in writing, with nothing else to do and with about as many jobs in the queue all the time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench jobs\n  aether bench jobs --jobs 20000 --questions 200 --json")]
pub(super) struct Arguments {
    /// How many jobs
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// How many questions are asked with, and without, jobs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    questions: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    machine: String,
    jobs: u32,
    submitted_per_second: f64,
    done_per_second: f64,
    /// Seconds of a core that each process took for the jobs of the first part.
    processor: Vec<(String, f64)>,
    first_token_ms: Spread,
    /// With so many jobs in the queue all the time.
    first_token_beside_jobs_ms: Spread,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let report = stand::run(context.layout(), async |layout, stack| measure(layout, stack, &arguments).await).await?;
    if arguments.json {
        let json = serde_json::to_string(&report).map_err(|error| Error::Input(error.to_string()))?;
        return print::line(&json);
    }
    show(&report)
}

async fn measure(layout: &Layout, stack: &mut Stack, arguments: &Arguments) -> Result<Report, Error> {
    let epoch = Instant::now();
    let model = ScriptedModel::start(epoch, scripted_model::Answer::Stamps(TOKENS)).await;
    let model = model.map_err(Error::io("the scripted model can't listen"))?;
    let program = |name, file| Program { name, file, environment: Vec::new() };
    let programs = [
        program("gateway", "aether-gateway"),
        program("brain", "aether-brain"),
        program("scheduler", "aether-scheduler"),
    ];
    let stand = stand::start(layout, stack, &model.endpoint, &programs, true).await?;
    stand.ready().await?;
    let desk = Desk::open(&stand).await?;

    let before = Processor::now(stand::parts(stack));
    let began = Instant::now();
    desk.submit(arguments.jobs).await?;
    let submitted = began.elapsed();
    desk.until_done(arguments.json).await?;
    let done = began.elapsed();
    let mut processor = Processor::default();
    processor.add(&before, &Processor::now(stand::parts(stack)));

    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).tcp_nodelay(true).timeout(PATIENCE).build();
    let client = client.map_err(|error| Error::Input(error.to_string()))?;
    let gateway = &stand.services[0];
    let admin = door::admin(&stand.secrets.identity_secret)?;
    let key = door::Door { client: &client, gateway, admin }.key(Some("ada")).await?;
    let way =
        Way { key: "gateway", name: "in writing", url: format!("{gateway}/v1/chat/completions"), bearer: Some(key) };
    let first = async |number: u32| {
        let words = format!("Tell me about the river with number {number}.");
        ask(&client, &way, epoch, &words).await.map(|answer| (answer.first + FIRST_TOKEN).as_secs_f64() * 1e3)
    };
    for number in 0..WARM_UP {
        first(number).await?;
    }
    let mut alone = Vec::new();
    for number in 0..arguments.questions {
        alone.push(first(1_000 + number).await?);
    }
    desk.submit(arguments.jobs).await?;
    let asking = async {
        let mut beside = Vec::new();
        for number in 0..arguments.questions {
            beside.push(first(100_000 + number).await?);
        }
        Ok::<_, Error>(beside)
    };
    let beside = tokio::select! {
        beside = asking => beside?,
        never = desk.keep_busy(arguments.jobs) => return Err(never),
    };
    Ok(Report {
        machine: machine(),
        jobs: arguments.jobs,
        submitted_per_second: f64::from(arguments.jobs) / submitted.as_secs_f64(),
        done_per_second: f64::from(arguments.jobs) / done.as_secs_f64(),
        processor: processor.0.into_iter().collect(),
        first_token_ms: Spread::of(alone),
        first_token_beside_jobs_ms: Spread::of(beside),
    })
}

/// Where jobs are handed in and looked after.
struct Desk {
    bus: Bus,
    store: Store,
    context: BusContext,
}

impl Desk {
    async fn open(stand: &Stand) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Input(error.to_string());
        let bus = Bus::connect(aether_bus::Options::new(&stand.nats, "bench")).await.map_err(|error| wrong(&error))?;
        let store = stand.store(Login::Scheduler)?;
        let tenant = TenantId::new(TENANT).map_err(|error| wrong(&error))?;
        let agent = AgentId::new("aether").map_err(|error| wrong(&error))?;
        Ok(Self { bus, store, context: BusContext::new(tenant, agent) })
    }

    async fn submit(&self, jobs: u32) -> Result<(), Error> {
        let request = KernelRequest { kind: "nothing".to_owned(), ..KernelRequest::default() };
        let mut replies = stream::iter(0..jobs)
            .map(|_| self.bus.request::<_, KernelReply>(&self.context, subject::JOBS_SUBMIT, &request))
            .buffer_unordered(AT_ONCE);
        while let Some(reply) = replies.next().await {
            reply.map_err(|error| Error::Input(format!("a job was not taken: {error}")))?;
        }
        Ok(())
    }

    async fn left(&self) -> Result<i64, Error> {
        let queues = self.store.job_queues().await.map_err(|error| Error::Input(error.to_string()))?;
        Ok(queues.iter().map(|queue| queue.jobs).sum())
    }

    /// Submits new jobs for those that were done, so that never much fewer are left. Ends only with an error.
    async fn keep_busy(&self, jobs: u32) -> Error {
        loop {
            let refill = async {
                let left = u32::try_from(self.left().await?).unwrap_or_default();
                self.submit(jobs.saturating_sub(left)).await
            };
            if let Err(error) = refill.await {
                return error;
            }
            sleep(LOOK).await;
        }
    }

    async fn until_done(&self, quiet: bool) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let left = self.left().await?;
            if left == 0 {
                if !quiet {
                    eprintln!();
                }
                return Ok(());
            }
            if began.elapsed() > DONE_WITHIN {
                return Err(Error::Input(format!("{left} jobs were not done within {} s", DONE_WITHIN.as_secs())));
            }
            if !quiet {
                eprint!("\r{left} jobs are left   ");
            }
            sleep(LOOK).await;
        }
    }
}

fn show(report: &Report) -> Result<(), Error> {
    let Report { jobs, machine, .. } = report;
    print::line(&format!("\n{jobs} jobs that do nothing, on {machine}; each commit is on the disk\n"))?;
    print::line("| | a second |\n|---|---:|")?;
    print::line(&format!("| submitted | {:.0} |", report.submitted_per_second))?;
    print::line(&format!("| through all states, submission included | {:.0} |", report.done_per_second))?;
    print::line("\n| process | CPU seconds |\n|---|---:|")?;
    for (name, seconds) in &report.processor {
        print::line(&format!("| {name} | {seconds:.1} |"))?;
    }
    print::line("\n| first token of a written answer, ms | p50 | p95 | p99 | of |\n|---|---:|---:|---:|---:|")?;
    for (name, spread) in
        [("nothing else to do", report.first_token_ms), ("beside the jobs", report.first_token_beside_jobs_ms)]
    {
        let Spread { p50, p95, p99, of } = spread;
        print::line(&format!("| {name} | {p50:.1} | {p95:.1} | {p99:.1} | {of} |"))?;
    }
    Ok(())
}
