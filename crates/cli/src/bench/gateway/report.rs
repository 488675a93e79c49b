use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Arguments, Figures, TOKENS, Way};
use crate::{
    Error,
    bench::{Spread, machine},
    print,
};

pub(super) struct Row {
    key: &'static str,
    name: &'static str,
    /// p50, p95, p99 in milliseconds.
    first: [f64; 3],
    token: [f64; 3],
    processor_ms: BTreeMap<String, f64>,
}

impl Row {
    pub(super) fn of(way: &Way, figures: Figures) -> Self {
        let requests = figures.first.len().max(1) as f64;
        let processor_ms =
            figures.processor.0.into_iter().map(|(name, seconds)| (name, seconds * 1e3 / requests)).collect();
        Self {
            key: way.key,
            name: way.name,
            first: quantiles(&figures.first),
            token: quantiles(&figures.tokens),
            processor_ms,
        }
    }
}

fn quantiles(values: &[Duration]) -> [f64; 3] {
    let Spread { p50, p95, p99, .. } = Spread::of(values.iter().map(|value| value.as_secs_f64() * 1e3));
    [p50, p95, p99]
}

pub(super) struct Report {
    pub(super) ways: Vec<Row>,
    /// Of each way.
    pub(super) requests: u32,
}

impl Report {
    pub(super) fn show(&self, arguments: &Arguments) -> Result<(), Error> {
        let Some((direct, others)) = self.ways.split_first() else { return Ok(()) };
        let machine = machine();
        if arguments.json {
            let ways: serde_json::Map<_, _> =
                self.ways.iter().map(|row| (row.key.to_owned(), row.as_json(direct))).collect();
            let all = json!({
                "machine": machine, "streams": arguments.streams, "requests": self.requests, "tokens": TOKENS, "ways": ways,
            });
            print::line(&all.to_string())?;
        } else {
            println!(
                "{} answers of {TOKENS} tokens each way, {} at once, on {machine}\n",
                self.requests, arguments.streams
            );
            println!("| beyond the model's own time, ms | p50 | p95 | p99 |\n|---|---:|---:|---:|");
            for row in &self.ways {
                line(&format!("first token, {}", row.name), row.first);
            }
            for row in &self.ways {
                line(&format!("each token, {}", row.name), row.token);
            }
            for row in others {
                line(&format!("**added to the first token**, {}", row.name), less(row.first, direct.first));
                line(&format!("**added to each token**, {}", row.name), less(row.token, direct.token));
            }
            println!(
                "\n| processor time per answer, ms | gateway | brain | nats | postgres |\n|---|---:|---:|---:|---:|"
            );
            for row in others {
                let of = |name: &str| row.processor_ms.get(name).copied().unwrap_or_default();
                let (gateway, brain, nats, postgres) = (of("gateway"), of("brain"), of("nats"), of("postgres"));
                println!("| {} | {gateway:.1} | {brain:.1} | {nats:.1} | {postgres:.1} |", row.name);
            }
        }
        let added = others
            .first()
            .map_or(f64::NAN, |row| less(row.first, direct.first)[2].max(less(row.token, direct.token)[2]));
        match arguments.at_most {
            Some(most) if added.is_nan() || added > most => {
                Err(Error::Input(format!("{added:.1} ms are added at p99, and {most} were allowed")))
            }
            _ => Ok(()),
        }
    }
}

impl Row {
    fn as_json(&self, direct: &Self) -> Value {
        let of = |[p50, p95, p99]: [f64; 3]| json!({ "p50": p50, "p95": p95, "p99": p99 });
        json!({
            "first_token_ms": of(self.first), "token_ms": of(self.token),
            "added_first_token_ms": of(less(self.first, direct.first)), "added_token_ms": of(less(self.token, direct.token)),
            "processor_ms": self.processor_ms,
        })
    }
}

fn less(values: [f64; 3], others: [f64; 3]) -> [f64; 3] {
    [values[0] - others[0], values[1] - others[1], values[2] - others[2]]
}

fn line(name: &str, [p50, p95, p99]: [f64; 3]) {
    println!("| {name} | {p50:.1} | {p95:.1} | {p99:.1} |");
}
