use std::{sync::Mutex, time::Duration};

use aether_models::{Event, FileState, ModelStore};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{Context, Error, print};

/// Fetch and check the models that listen, think, speak and remember.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  aether models list\n  aether models get                  fetch the default model of every kind\n  \
    aether models get whisper-base\n  aether models verify"
)]
pub enum Action {
    /// What there is, what is installed, and under which licence
    List(List),
    /// Fetch models, resuming what was begun; without ids the default of every kind
    Get(Get),
    /// Hash every installed file and compare; without ids all installed models
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Get {
    /// Ids as `aether models list` shows them
    ids: Vec<String>,
    /// Print one JSON array when all is done, and no progress
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Ids as `aether models list` shows them
    ids: Vec<String>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, action: Action) -> Result<(), Error> {
    let store = ModelStore::new(context.layout().models());
    match action {
        Action::List(arguments) => list(&store, &arguments),
        Action::Get(arguments) => get(&store, &arguments).await,
        Action::Verify(arguments) => verify(&store, &arguments).await,
    }
}

fn list(store: &ModelStore, arguments: &List) -> Result<(), Error> {
    let models: Vec<_> = store.manifest().models().map(|model| (model, store.is_present(model))).collect();
    if arguments.json {
        let rows: Vec<_> = models
            .iter()
            .map(|(model, present)| {
                json!({
                    "id": model.id, "kind": model.kind.to_string(), "default": model.default, "installed": present,
                    "bytes": model.size(), "licence": model.licence, "about": model.about,
                })
            })
            .collect();
        return print::line(&json!(rows).to_string());
    }
    for (model, present) in models {
        let state = if present { "installed" } else { "-" };
        let default = if model.default { "default" } else { "" };
        let size = megabytes(model.size());
        print::line(&format!(
            "{:36} {:11} {size:>7}  {state:9}  {default:7}  {}",
            model.id,
            model.kind.to_string(),
            model.licence
        ))?;
    }
    Ok(())
}

async fn get(store: &ModelStore, arguments: &Get) -> Result<(), Error> {
    let progress = Progress::new(arguments.json);
    let report = |event| progress.show(event);
    let mut obtained = Vec::new();
    if arguments.ids.is_empty() {
        obtained = store.get_defaults(report).await?;
    }
    for id in &arguments.ids {
        obtained.push(store.get(id, report).await?);
    }
    if arguments.json {
        let rows: Vec<_> = obtained
            .iter()
            .map(|obtained| {
                json!({
                    "requested": obtained.requested, "model": obtained.model, "fetched": obtained.fetched,
                    "files": obtained.files,
                })
            })
            .collect();
        print::line(&json!(rows).to_string())?;
    }
    Ok(())
}

async fn verify(store: &ModelStore, arguments: &Verify) -> Result<(), Error> {
    let ids: Vec<String> = if arguments.ids.is_empty() {
        store.manifest().models().filter(|model| store.is_present(model)).map(|model| model.id.clone()).collect()
    } else {
        arguments.ids.clone()
    };
    let mut rows = Vec::new();
    let mut sound = true;
    for id in &ids {
        for check in store.verify(id).await? {
            let (ok, text) = match &check.state {
                FileState::Sound { official: true, .. } => (true, "sound".to_owned()),
                FileState::Sound { .. } => (true, "sound (converted)".to_owned()),
                FileState::Missing => (false, format!("missing; run: aether models get {id}")),
                FileState::WrongSize { found, expected } => {
                    (false, format!("has {found} bytes instead of {expected}; run: aether models get {id}"))
                }
                FileState::WrongHash { found, expected } => {
                    (false, format!("has the hash {found} instead of {expected}; run: aether models get {id}"))
                }
            };
            sound &= ok;
            if !arguments.json {
                print::line(&format!("{id}/{}: {text}", check.file))?;
            }
            rows.push(json!({ "model": id, "file": check.file, "path": check.path, "sound": ok, "detail": text }));
        }
    }
    if arguments.json {
        print::line(&json!(rows).to_string())?;
    } else if ids.is_empty() {
        print::line("no model is installed; run: aether models get")?;
    }
    if sound { Ok(()) } else { Err(Error::Told) }
}

/// One line per model, and a bar below while something is being downloaded.
struct Progress {
    bar: Option<ProgressBar>,
    last: Mutex<String>,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        let bar = (!quiet).then(|| {
            let bar = ProgressBar::no_length();
            let style = "  {msg:40} {bar:24} {decimal_bytes:>9}/{decimal_total_bytes:9} {decimal_bytes_per_sec}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, last: Mutex::new(String::new()) }
    }

    fn show(&self, event: Event) {
        let Some(bar) = &self.bar else { return };
        match event {
            Event::Downloading { model, part, parts, .. } => {
                let part = if parts > 1 { format!(" ({part} of {parts})") } else { String::new() };
                bar.set_message(format!("{model}{part}"));
                bar.set_position(0);
            }
            Event::Progress { received, total, .. } => {
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_position(received);
            }
            Event::Assembling { model, .. } => bar.set_message(format!("{model}: unpacking")),
            Event::Waiting { model } => self.say(bar, format!("{model}: another process is fetching it; waiting")),
            Event::Discarded { model, file, reason } => {
                self.say(bar, format!("{model}: {file} is fetched again: {reason}"))
            }
            Event::Retrying { model, reason, .. } => {
                self.say(bar, format!("{model}: going on after a fault: {reason}"))
            }
            Event::FellBack { wanted, instead, .. } => {
                self.say(bar, format!("no source of {wanted} could be used; the smaller {instead} takes its place"));
            }
            Event::Finished { model } => self.say(bar, format!("{model}: there, with the right hash")),
            // A source that can't be used matters only when none can: then the error names them all.
            _ => {}
        }
    }

    /// A terminal keeps the line above the bar; a log gets it once, without a bar.
    fn say(&self, bar: &ProgressBar, line: String) {
        let Ok(mut last) = self.last.lock() else { return };
        if *last == line {
            return;
        }
        if bar.is_hidden() {
            println!("{line}")
        } else {
            bar.println(&line)
        }
        *last = line;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", (bytes + 500_000) / 1_000_000)
}
