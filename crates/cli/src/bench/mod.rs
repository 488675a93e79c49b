//! `aether bench`: turn-taking ([`voice`], which plays [`dialogue`]s), what Aether itself adds to a spoken turn ([`overhead`]),
//! what the gateway adds to the language model's own time ([`gateway`]), and how fast jobs are done and what that costs those who
//! write meanwhile ([`jobs`]), how soon people are told ([`notifications`]), and what each installed model takes ([`models`]). All but
//! the first start what they measure on a [`stand`], most of them beside engines that answer by the clock ([`scripted_model`],
//! [`scripted_voice`]). Nothing is asserted unless it is asked for: times depend on the machine, which is named.

mod dialogue;
mod gateway;
mod jobs;
mod models;
mod notifications;
mod overhead;
mod processes;
mod scripted_model;
mod scripted_voice;
mod stand;
mod voice;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Context, Error};

/// Measure turn-taking, or what Aether itself adds.
#[derive(Debug, clap::Args)]
#[group(id = "bench")]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  aether bench                     turn-taking, on the Aether that runs\n  \
    aether bench --quick             the same in a minute or two\n  aether bench overhead            what Aether adds to a spoken turn; starts what it needs itself\n  \
    aether bench gateway             what the gateway adds to a written one; starts what it needs itself\n  \
    aether bench jobs                how fast jobs are done, and what that costs who writes meanwhile\n  \
    aether bench notifications       how soon people are told what happens\n  \
    aether bench models              how fast each installed model is, and what memory it takes"
)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    voice: voice::Arguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Voice(voice::Arguments),
    Overhead(overhead::Arguments),
    Gateway(gateway::Arguments),
    Jobs(jobs::Arguments),
    Notifications(notifications::Arguments),
    Models(models::Arguments),
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        Some(What::Gateway(arguments)) => Box::pin(gateway::run(context, arguments)).await,
        Some(What::Jobs(arguments)) => Box::pin(jobs::run(context, arguments)).await,
        Some(What::Notifications(arguments)) => Box::pin(notifications::run(context, arguments)).await,
        Some(What::Models(arguments)) => Box::pin(models::run(context, arguments)).await,
        Some(What::Overhead(arguments)) => Box::pin(overhead::run(context, arguments)).await,
        Some(What::Voice(voice)) => Box::pin(voice::run(context, voice)).await,
        None => Box::pin(voice::run(context, arguments.voice)).await,
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// p50, p95 and p99 of what was measured, and how often it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Spread {
    p50: f64,
    p95: f64,
    p99: f64,
    of: usize,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share| quantile(&values, share);
        Self { p50: at(0.50), p95: at(0.95), p99: at(0.99), of: values.len() }
    }
}

/// The nearest-rank quantile of sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What the figures were measured on.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "an unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB", kib.div_ceil(1 << 20)));
    format!("{processor}, {cores} cores{memory}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.95), quantile(&values, 0.99)), (10.0, 19.0, 20.0));
        assert!(quantile(&[], 0.5).is_nan());
    }
}
