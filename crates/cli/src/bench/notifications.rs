//! How long it takes from an event to the moment when its person is told, or when it is judged.

use std::time::{Duration, Instant};

use aether_bus::{Bus, Context as BusContext, DurableStream, Subscription};
use aether_models::ModelStore;
use aether_proto::{AgentId, Notification, PersonId, PluginEvent, TenantId, Urgency, subject};
use aether_store::{Login, NotificationQuery, Store};
use aether_supervisor::{Layout, Stack, free_port, part};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::stand::{self, Program, Stand, TENANT};
use super::{Spread, machine};
use crate::{Context, Error, print};

/// What answers by default.
const MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(20);
const WARM_UP: u32 = 5;

/// Measure how soon people are told.
///
/// Starts a notifier, a scheduler, a brain and a language model of its own, with a database that writes each commit to the disk.
/// Events that a rule decides are told one after the other; then events whose source does not say how urgent they are, which
/// the language model judges. Each is for somebody else, so that nobody is told too much.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aether bench notifications\n  aether bench notifications --events 500 --judged 50 --json"
)]
pub(super) struct Arguments {
    /// How many events that a rule decides
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    events: u32,
    /// How many events that the language model judges
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    judged: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    machine: String,
    model: &'static str,
    /// From the event's publication to the push that the page gets.
    told_ms: Spread,
    /// From the event's publication to the judgement.
    judged_ms: Spread,
    /// The judgements that the model gave in time; the others were the default.
    judged_by_model: u32,
    /// Of what was decided by rule.
    within_5_ms: f64,
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
    let model = ModelStore::new(layout.models()).require(MODEL, "model.gguf");
    let model = model.map_err(|error| Error::Input(error.to_string()))?;
    let port = free_port().map_err(Error::io("no port is free"))?;
    let llm = part::Llm::new(port, model, MODEL, layout.log("llm")).component(layout)?;
    let endpoint = format!("{}/v1", llm.url);
    stack.start(vec![llm], |_, _| {}).await?;
    let program = |name, file, environment| Program { name, file, environment };
    let programs = [
        program("notifier", "aether-notifier", Vec::new()),
        program("scheduler", "aether-scheduler", Vec::new()),
        program("brain", "aether-brain", vec![("LLM_MODEL", MODEL.to_owned())]),
    ];
    let stand = stand::start(layout, stack, &endpoint, &programs, true).await?;
    stand.ready().await?;
    let mut desk = Desk::open(&stand).await?;

    for number in 0..WARM_UP {
        desk.told(&event("warming up", number, Urgency::Normal)).await?;
        desk.judged(&event("warming up to judge", number, Urgency::Unspecified)).await?;
    }
    let mut told = Vec::new();
    for number in 0..arguments.events {
        told.push(desk.told(&event("A build has failed", number, Urgency::Normal)).await?);
    }
    let mut judged = Vec::new();
    let mut judged_by_model = 0;
    for number in 0..arguments.judged {
        let (took, reason) = desk.judged(&event("Somebody wrote a comment", number, Urgency::Unspecified)).await?;
        judged.push(took);
        judged_by_model += u32::from(reason.contains("judged to"));
    }
    let metrics = reqwest::get(format!("{}/metrics", stand.services[0])).await;
    let metrics = async { metrics?.text().await }.await.map_err(|error| Error::Input(error.to_string()))?;
    Ok(Report {
        machine: machine(),
        model: MODEL,
        told_ms: Spread::of(told),
        judged_ms: Spread::of(judged),
        judged_by_model,
        within_5_ms: share_within(&metrics, "rule", "0.005"),
    })
}

fn event(title: &str, number: u32, urgency: Urgency) -> PluginEvent {
    PluginEvent {
        event_id: format!("{title} {number}"),
        source: "bench".to_owned(),
        kind: "bench".to_owned(),
        person_id: format!("{title} {number}"),
        title: format!("{title}, number {number}"),
        text: "It is one of many, and what it says is as long as such things are.".to_owned(),
        urgency: urgency.into(),
        ..PluginEvent::default()
    }
}

/// Where events are handed in and looked after.
struct Desk {
    bus: Bus,
    store: Store,
    context: BusContext,
    pushes: Subscription<Notification>,
}

fn wrong(error: &impl ToString) -> Error {
    Error::Input(error.to_string())
}

impl Desk {
    async fn open(stand: &Stand) -> Result<Self, Error> {
        let bus = Bus::connect(aether_bus::Options::new(&stand.nats, "bench")).await.map_err(|error| wrong(&error))?;
        let store = stand.store(Login::Notifier)?;
        let tenant = TenantId::new(TENANT).map_err(|error| wrong(&error))?;
        let agent = AgentId::new("aether").map_err(|error| wrong(&error))?;
        let pushes = bus.subscribe(subject::ALL_NOTIFY_PUSHES).await.map_err(|error| wrong(&error))?;
        Ok(Self { bus, store, context: BusContext::new(tenant, agent), pushes })
    }

    async fn publish(&self, event: &PluginEvent) -> Result<Instant, Error> {
        let subject = subject::notify_events(&self.context.tenant, &event.source);
        let began = Instant::now();
        let published =
            self.bus.publish_durable(&self.context, DurableStream::Events, &subject, &event.event_id, event).await;
        published.map(|()| began).map_err(|error| wrong(&error))
    }

    /// Milliseconds until the page would show it.
    async fn told(&mut self, event: &PluginEvent) -> Result<f64, Error> {
        let began = self.publish(event).await?;
        let shown = async {
            while let Some(push) = self.pushes.next().await {
                if push.is_ok_and(|push| push.message.title == event.title) {
                    return Ok(began.elapsed().as_secs_f64() * 1e3);
                }
            }
            Err(Error::Input("the connection to NATS ended".to_owned()))
        };
        let late = |_| Error::Input(format!("{:?} was not told within {} s", event.title, PATIENCE.as_secs()));
        timeout(PATIENCE, shown).await.map_err(late)?
    }

    /// Milliseconds until it is judged, to within [`LOOK`], and why so.
    async fn judged(&self, event: &PluginEvent) -> Result<(f64, String), Error> {
        let person = PersonId::new(event.person_id.clone()).map_err(|error| wrong(&error))?;
        let began = self.publish(event).await?;
        let (agent, person) = (&self.context.agent, &person);
        let query = NotificationQuery { agent, person, unseen: false, state: "", before: None, limit: 1 };
        while began.elapsed() < PATIENCE {
            let look = async { self.store.tenant(&self.context.tenant).await?.notifications(&query).await };
            let rows = look.await.map_err(|error| wrong(&error))?;
            if let Some(row) = rows.into_iter().find(|row| row.state != "undecided") {
                return Ok((began.elapsed().as_secs_f64() * 1e3, row.reason));
            }
            sleep(LOOK).await;
        }
        Err(Error::Input(format!("{:?} was not judged within {} s", event.title, PATIENCE.as_secs())))
    }
}

/// Of a histogram in Prometheus' text form, the share of what took at most so long.
fn share_within(metrics: &str, by: &str, seconds: &str) -> f64 {
    let value = |labels: &[String]| {
        let line = metrics.lines().find(|line| {
            line.starts_with("aether_notification_decision_seconds") && labels.iter().all(|label| line.contains(label))
        })?;
        line.rsplit_once(' ')?.1.parse::<f64>().ok()
    };
    let by = format!("by=\"{by}\"");
    let within = value(&[by.clone(), format!("le=\"{seconds}\"")]);
    let all = value(&[by, "le=\"+Inf\"".to_owned()]);
    within.zip(all).map_or(f64::NAN, |(within, all)| within / all)
}

fn show(report: &Report) -> Result<(), Error> {
    let Report { machine, model, told_ms, judged_ms, judged_by_model, within_5_ms } = report;
    print::line(&format!("\nFrom an event to its person, on {machine}; each commit is on the disk; {model} judges\n"))?;
    print::line("| ms | p50 | p95 | p99 | of |\n|---|---:|---:|---:|---:|")?;
    for (name, spread) in [("decided by rule, and told", told_ms), ("judged", judged_ms)] {
        let Spread { p50, p95, p99, of } = spread;
        print::line(&format!("| {name} | {p50:.1} | {p95:.1} | {p99:.1} | {of} |"))?;
    }
    print::line(&format!("\nDecided by rule within 5 ms: {:.1} %.", within_5_ms * 100.0))?;
    print::line(&format!("Judged by the model in time: {judged_by_model} of {}.", judged_ms.of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_out_of_what_prometheus_is_told() {
        let metrics = "# TYPE aether_notification_decision_seconds histogram\n\
            aether_notification_decision_seconds_bucket{by=\"rule\",le=\"0.005\"} 19\n\
            aether_notification_decision_seconds_bucket{by=\"rule\",le=\"+Inf\"} 20\n";
        assert_eq!(share_within(metrics, "rule", "0.005"), 0.95);
        assert!(share_within(metrics, "model", "0.005").is_nan());
    }
}
