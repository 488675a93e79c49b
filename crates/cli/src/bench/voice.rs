use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::{machine, quantile};
use crate::person::Exchange;
use crate::talk::{self, Place};
use crate::{Context, Error};

/// Short questions, as a person asks them.
const QUESTIONS: [&str; 6] = ["cmd00.wav", "cmd01.wav", "cmd06.wav", "cmd07.wav", "cmd11.wav", "cmd12.wav"];
const PATIENCE: Duration = Duration::from_secs(90);

/// Measure spoken turns: ask recorded questions one after the other and print where the time went.
///
/// Needs a running Aether. Every sixth question opens a new room, so that conversations are short. Nothing is asserted:
/// times depend on the machine, which is named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench voice\n  aether bench voice --turns 60 --json")]
pub struct Arguments {
    /// How many questions to ask
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1000))]
    turns: u32,
    /// Where the recordings are
    #[arg(long, value_name = "FOLDER", default_value = "tests/audio")]
    audio: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let mut questions = Vec::new();
    for name in QUESTIONS {
        questions.push(talk::read_question(&arguments.audio.join(name))?);
    }
    let mut exchanges = Vec::new();
    let mut failures = 0;
    let turns = usize::try_from(arguments.turns).unwrap_or(usize::MAX);
    while exchanges.len() + failures < turns {
        let mut person = match talk::enter(context, &Place::fresh()?).await {
            Ok(person) => person,
            // What was measured until now is still worth printing.
            Err(error) if !exchanges.is_empty() => {
                eprintln!("\nno further room can be joined: {error}");
                break;
            }
            Err(error) => return Err(error),
        };
        for question in questions.iter().take(turns - exchanges.len() - failures) {
            let asked = person.ask(question.clone(), PATIENCE).await;
            let complete = asked.ok().filter(|exchange| exchange.end == "completed" && exchange.total.is_some());
            let failed = complete.is_none();
            match complete {
                Some(exchange) => exchanges.push(exchange),
                None => failures += 1,
            }
            if !arguments.json {
                eprint!("\r{} of {turns} turns", exchanges.len() + failures);
            }
            if failed {
                // What is left of a failed turn must not be taken for the next one's.
                break;
            }
        }
        person.leave().await;
    }
    if !arguments.json {
        eprintln!();
    }
    if exchanges.is_empty() {
        return Err(Error::Input("not one of the questions was answered: look at `aether status`".to_owned()));
    }
    let rows = rows(&exchanges);
    let machine = machine();
    if arguments.json {
        let stages: serde_json::Map<_, _> = rows
            .iter()
            .map(|row| (row.key.to_owned(), json!({ "p50": row.p50, "p95": row.p95, "p99": row.p99 })))
            .collect();
        println!("{}", json!({ "machine": machine, "turns": exchanges.len(), "failed": failures, "ms": stages }));
        return Ok(());
    }
    println!("{} spoken turns, {failures} failed, on {machine}\n", exchanges.len());
    println!("| stage, ms | p50 | p95 | p99 |\n|---|---:|---:|---:|");
    for row in rows {
        println!("| {} | {:.0} | {:.0} | {:.0} |", row.name, row.p50, row.p95, row.p99);
    }
    Ok(())
}

struct Row {
    key: &'static str,
    name: &'static str,
    p50: f64,
    p95: f64,
    p99: f64,
}

fn rows(exchanges: &[Exchange]) -> Vec<Row> {
    type Stage = (&'static str, &'static str, fn(&Exchange) -> f64);
    let stages: [Stage; 9] = [
        ("endpoint", "end of speech → decision that it is over", |one| one.metrics.endpoint_ms.into()),
        ("stt", "decision → transcript (what the wait did not hide)", |one| one.metrics.stt_ms.into()),
        ("stt_decode", "transcription itself", |one| one.metrics.stt_decode_ms.into()),
        ("llm_first_token", "transcript → first token", |one| one.metrics.llm_first_token_ms.into()),
        ("llm_first_chunk", "first token → first clause", |one| one.metrics.llm_first_chunk_ms.into()),
        ("tts_first_audio", "first clause → first audio", |one| one.metrics.tts_first_audio_ms.into()),
        ("agent_total", "end of speech → first audio, in the agent", |one| one.metrics.total_ms.into()),
        ("overhead", "of that, Aether's own overhead", |one| f64::from(one.metrics.overhead_us) / 1e3),
        ("total", "end of speech → first audio, at the person", |one| {
            one.total.map_or(f64::NAN, |total| total.as_secs_f64() * 1e3)
        }),
    ];
    stages
        .into_iter()
        .map(|(key, name, value)| {
            let mut values: Vec<f64> = exchanges.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            let at = |share| quantile(&values, share);
            Row { key, name, p50: at(0.50), p95: at(0.95), p99: at(0.99) }
        })
        .collect()
}
