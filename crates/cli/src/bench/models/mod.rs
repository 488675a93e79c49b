//! What each installed model takes of this machine, one after the other and nothing beside it: how soon clips are written down
//! and how well ([`hearing`]), how soon a voice is heard ([`speaking`]), how fast a prompt is read and an answer written
//! ([`thinking`]).

mod hearing;
mod speaking;
mod thinking;

use std::path::PathBuf;
use std::process::Stdio;

use aether_models::{Kind, Model, ModelStore};
use aether_settings::SpeechSettings;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{machine, processes::resident, stand};
use crate::{Context, Error, print};

/// Measure each installed model.
///
/// Every model that transcribes, speaks or writes and is installed is loaded alone and timed. Fetch others with `aether models
/// get`. End other programs first: they would be in the figures.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench models\n  aether bench models --only whisper\n  \
    OMP_WAIT_POLICY=passive aether bench models      Whisper's threads wait as they do in the agent")]
pub(super) struct Arguments {
    /// Only models with this in their id
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where the recordings are
    #[arg(long, value_name = "FOLDER", default_value = "tests/audio")]
    audio: PathBuf,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Deserialize)]
struct Report {
    machine: String,
    hearing: Vec<hearing::Row>,
    speaking: Vec<speaking::Row>,
    thinking: Vec<thinking::Row>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let report = measure(context, &arguments).await?;
    if arguments.json {
        let json = serde_json::to_string(&report).map_err(|error| wrong(&error))?;
        return print::line(&json);
    }
    show(&report)
}

async fn measure(context: &Context, arguments: &Arguments) -> Result<Report, Error> {
    let store = ModelStore::new(context.layout().models());
    let measurable = |model: &&Model| matches!(model.kind, Kind::Stt | Kind::Tts | Kind::Llm);
    let installed = store.manifest().models().filter(measurable).filter(|model| store.is_present(model));
    let mut report = Report { machine: machine(), hearing: Vec::new(), speaking: Vec::new(), thinking: Vec::new() };
    for model in installed.filter(|model| model.id.contains(&arguments.only)) {
        if model.id == arguments.only {
            return measure_one(context, &store, model, arguments).await;
        }
        eprintln!("{}", model.id);
        let Report { machine: _, hearing, speaking, thinking } = measure_elsewhere(model, arguments).await?;
        report.hearing.extend(hearing);
        report.speaking.extend(speaking);
        report.thinking.extend(thinking);
    }
    Ok(report)
}

/// In a process of its own: what the model before it leaves behind would be in the memory of this one.
async fn measure_elsewhere(model: &Model, arguments: &Arguments) -> Result<Report, Error> {
    let own = std::env::current_exe().map_err(Error::io("this program can't be found"))?;
    let mut measuring = Command::new(own);
    measuring.args(["bench", "models", "--json", "--only", &model.id, "--audio"]).arg(&arguments.audio);
    let measuring = measuring.stderr(Stdio::inherit()).kill_on_drop(true).output().await;
    let measured = measuring.map_err(Error::io("this program can't be started again"))?;
    if !measured.status.success() {
        return Err(Error::Told);
    }
    serde_json::from_slice(&measured.stdout).map_err(|error| wrong(&error))
}

async fn measure_one(
    context: &Context,
    store: &ModelStore,
    model: &Model,
    arguments: &Arguments,
) -> Result<Report, Error> {
    let mut report = Report { machine: machine(), hearing: Vec::new(), speaking: Vec::new(), thinking: Vec::new() };
    let weights = store.require_all(&model.id)?.swap_remove(0);
    match model.kind {
        Kind::Stt => {
            let speech = context.settings(SpeechSettings::read)?;
            report.hearing.push(hearing::measure(&model.id, &weights, &speech, &arguments.audio).await?);
        }
        Kind::Tts => report.speaking.push(speaking::measure(context, &model.id, weights).await?),
        Kind::Llm => {
            let measuring = stand::run(context.layout(), async |layout, stack| {
                thinking::measure(layout, stack, &model.id, weights).await
            });
            report.thinking.push(measuring.await?);
        }
        Kind::Vad | Kind::EndOfTurn | Kind::Embeddings => {}
    }
    Ok(report)
}

/// How much more memory this process holds than `before`.
fn taken_since(before: u64) -> f64 {
    megabytes(resident(std::process::id()).unwrap_or_default().saturating_sub(before))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn wrong(error: &impl ToString) -> Error {
    Error::Input(error.to_string())
}

fn show(report: &Report) -> Result<(), Error> {
    print::line(&format!("\nEach model alone, on {}. Times in milliseconds, p50.", report.machine))?;
    if !report.hearing.is_empty() {
        print::line(
            "\n| hearing | threads | 1 s | 3 s | 10 s | words wrong | MB |\n|---|---:|---:|---:|---:|---:|---:|",
        )?;
        for row in &report.hearing {
            let [one, three, ten] = row.clips.map(|clip| clip.p50);
            let words = format!("{} of {}, {:.1} %", row.words.wrong, row.words.said, row.words.share() * 100.0);
            let (id, threads, memory) = (&row.model, row.threads, row.memory_mb);
            print::line(&format!("| {id} | {threads} | {one:.0} | {three:.0} | {ten:.0} | {words} | {memory:.0} |"))?;
        }
    }
    if !report.speaking.is_empty() {
        print::line(
            "\n| speaking | first sound: 3 words | 8 words | 15 words | seconds for one of speech | MB |\n\
             |---|---:|---:|---:|---:|---:|",
        )?;
        for row in &report.speaking {
            let [three, eight, fifteen] = row.first_sound.map(|sound| sound.p50);
            let (id, pace, memory) = (&row.model, row.real_time_factor, row.memory_mb);
            print::line(&format!("| {id} | {three:.0} | {eight:.0} | {fifteen:.0} | {pace:.2} | {memory:.0} |"))?;
        }
    }
    if !report.thinking.is_empty() {
        print::line(
            "\n| thinking | threads | tokens read a second | tokens written a second | first token, prompt new | \
             prompt read before | MB |\n|---|---:|---:|---:|---:|---:|---:|",
        )?;
        for row in &report.thinking {
            let thinking::Row { model, threads, read_per_second, written_per_second, .. } = row;
            let (cold, warm, memory) = (row.first_token_new.p50, row.first_token_read_before.p50, row.memory_mb);
            print::line(&format!(
                "| {model} | {threads} | {read_per_second:.0} | {written_per_second:.0} | {cold:.0} | {warm:.0} | {memory:.0} |"
            ))?;
        }
    }
    Ok(())
}
