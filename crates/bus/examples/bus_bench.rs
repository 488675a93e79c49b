//! What the bus adds to a request: round trips through it and through the bare client, in turn, in one run.
//!
//! `cargo run --example bus_bench -- [nats://host:port] [round trips]`; without a URL it starts a server of its own.

use std::time::{Duration, Instant};

use aether_bus::{Bus, Context, Options, ServiceOptions};
use aether_proto::{AgentId, TenantId};
use aether_testkit as testkit;
use futures::StreamExt;

/// Measured alternately in slices, so that whatever else the machine does meets both.
const SLICE: usize = 200;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next();
    let round_trips: usize = arguments.next().map_or(Ok(20_000), |count| count.parse())?;
    let mut own_server = None;
    let url = match url {
        Some(url) => url,
        None => own_server.insert(testkit::nats().await).url.clone(),
    };

    let worker = Bus::connect(Options::new(&url, "bench")).await?;
    worker.ready(Duration::from_secs(5)).await?;
    let options = ServiceOptions {
        name: "bench".to_owned(),
        version: "1.0.0".to_owned(),
        description: "answers what it was asked".to_owned(),
        max_calls: 16,
    };
    let _service = worker
        .service(options)
        .request("bench.bus", |_: Context, text: String| async move { Ok(text) })
        .start()
        .await?;
    let raw_worker = async_nats::connect(&url).await?;
    let mut questions = raw_worker.subscribe("bench.raw").await?;
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply {
                let _ = raw_worker.publish(reply, question.payload).await;
            }
        }
    });

    let bus = Bus::connect(Options::new(&url, "bench-caller")).await?;
    bus.ready(Duration::from_secs(5)).await?;
    let raw = async_nats::connect(&url).await?;
    let context = Context::new(TenantId::new("acme")?, AgentId::new("ada")?).with_deadline(Duration::from_secs(600));
    let text = "the quick brown fox jumps over the lazy dog".to_owned();
    let payload = bytes::Bytes::from(serde_json::to_vec(&text)?);

    let (mut through_bus, mut bare) = (Vec::new(), Vec::new());
    for slice in 0..=round_trips / SLICE {
        // The first slice only warms up.
        for _ in 0..SLICE {
            let began = Instant::now();
            raw.request("bench.raw", payload.clone()).await?;
            bare.push(began.elapsed());
        }
        for _ in 0..SLICE {
            let began = Instant::now();
            bus.request::<_, String>(&context, "bench.bus", &text).await?;
            through_bus.push(began.elapsed());
        }
        if slice == 0 {
            bare.clear();
            through_bus.clear();
        }
    }

    let (bare, through_bus) = (Quantiles::of(bare), Quantiles::of(through_bus));
    println!("{} round trips each, {} core(s): {}", round_trips, std::thread::available_parallelism()?, processor());
    println!("{:<22}{:>10}{:>10}{:>10}", "", "p50 µs", "p99 µs", "mean µs");
    for (name, row) in [("bare async-nats", &bare), ("aether-bus request", &through_bus)] {
        println!("{name:<22}{:>10.1}{:>10.1}{:>10.1}", row.p50, row.p99, row.mean);
    }
    println!(
        "{:<22}{:>9.2}×{:>9.2}×{:>9.2}×",
        "ratio",
        through_bus.p50 / bare.p50,
        through_bus.p99 / bare.p99,
        through_bus.mean / bare.mean
    );
    Ok(())
}

/// In microseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
    mean: f64,
}

impl Quantiles {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        let at = |per_cent: usize| samples.get(samples.len() * per_cent / 100).copied().map_or(f64::NAN, micros);
        let total: Duration = samples.iter().sum();
        Self { p50: at(50), p99: at(99), mean: micros(total) / samples.len() as f64 }
    }
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.to_owned())
}
