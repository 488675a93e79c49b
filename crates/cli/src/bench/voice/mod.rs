//! Turn-taking, measured on both axes at once: how fast the agent answers, and how often it does so too soon.
//!
//! [`scene`] plays the dialogues of [`super::dialogue`] to the Aether that runs, one room each, and keeps all that comes back
//! on a [`tape`]; [`judge`] says, from the tape alone, what came of each utterance and each overlap; [`figures`] counts;
//! [`report`] and [`page`] show. [`sweep`] does all of it once per setting.

mod figures;
mod judge;
mod page;
mod report;
mod scene;
mod sweep;
mod tape;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::dialogue::{Script, Studio, Voices};
use super::machine;
use super::processes::{Processor, resident};
use crate::running::Running;
use crate::talk::{self, Place};
use crate::{Context, Error, print};
use figures::{Figures, PartUse};
use report::Report;
use scene::{Scene, Scenes};
use sweep::{Knob, Point, Up};

/// The name under which this process is counted.
const PERSON: &str = "the simulated person";

/// Measure turn-taking: play scripted dialogues to the agent and judge what comes back.
///
/// Needs a running Aether, but for --sweep. Prints a table and saves it as JSON and as a page with plots. Everything is measured
/// at the person's side, on one clock, both network legs included. Nothing is asserted: times depend on the machine, which is
/// named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether bench voice                some seven minutes of talk\n  \
    aether bench voice --quick        a minute or two\n  \
    aether bench voice --rounds 5     more of the same, for rarer things\n  \
    aether bench voice --only pauses\n  \
    aether bench voice --quick --sweep AETHER_ENDPOINT_SILENCE_MS=200,350,500,800\n\n\
    A false cut-off is a pause of 300 ms or more inside of an utterance in which the agent took the turn: the final transcript \
    or the agent's voice came before the person went on. A false interruption is a backchannel, a noise or an echo that stopped \
    the voice; a missed one an interruption over which it was still heard 1.5 s later.")]
pub(super) struct Arguments {
    /// Only one of each kind: a minute or two
    #[arg(long)]
    quick: bool,
    /// How often everything is played
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What the noises and the times of the overlaps come out of; each round has the next one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only dialogues with this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Other dialogues than those of tests/dialogues/dialogues.toml
    #[arg(long, value_name = "FILE")]
    dialogues: Option<PathBuf>,
    /// Where the recordings are
    #[arg(long, value_name = "FOLDER", default_value = "tests/audio")]
    audio: PathBuf,
    /// Where to save the figures [default: bench/voice-DATE.json in the state folder]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to save the page [default: bench/voice-DATE.html in the state folder]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Start Aether once with each value of a variable of the agent, and measure the ends of turns with each; may be given more
    /// than once
    #[arg(long, value_name = "NAME=A,B,C")]
    sweep: Vec<Knob>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Error> {
    let script = script(&arguments)?;
    let measured_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let report = if arguments.sweep.is_empty() {
        measure(context, &script, &arguments, measured_at).await?
    } else {
        sweep(context, &script.questions_only(), &arguments, measured_at).await?
    };
    print::line(&report.markdown())?;
    let folder = context.layout().home().join("bench");
    let stamp = Stamp::of(measured_at).file();
    let file = |named: &Option<PathBuf>, ending| {
        named.clone().unwrap_or_else(|| folder.join(format!("voice-{stamp}.{ending}")))
    };
    let json = serde_json::to_string_pretty(&report).map_err(|error| Error::Input(error.to_string()))?;
    for (path, text) in [(file(&arguments.json, "json"), json), (file(&arguments.html, "html"), page::html(&report))] {
        save(&path, &text)?;
        eprintln!("saved {}", path.display());
    }
    Ok(())
}

fn script(arguments: &Arguments) -> Result<Script, Error> {
    let script = match &arguments.dialogues {
        None => Script::built_in().map_err(Error::Input)?,
        Some(path) => {
            let shown = path.display();
            let text = std::fs::read_to_string(path);
            let text = text.map_err(Error::io(format!("the dialogues {shown} can't be read")))?;
            Script::parse(&text).map_err(|why| Error::Input(format!("the dialogues {shown}: {why}")))?
        }
    };
    let script = if arguments.quick { script.quick() } else { script };
    let script = match &arguments.only {
        Some(name) => script.only(name),
        None => script,
    };
    if script.len() == 0 {
        return Err(Error::Input("no dialogue is left to play: look at --only and --quick".to_owned()));
    }
    Ok(script)
}

async fn sweep(context: &Context, script: &Script, arguments: &Arguments, at: u64) -> Result<Report, Error> {
    if script.len() == 0 {
        return Err(Error::Input("--sweep measures the ends of turns, and no question is left to ask".to_owned()));
    }
    if Running::find(context.layout())?.is_some() {
        return Err(Error::Input("--sweep starts Aether itself: stop the one that runs first".to_owned()));
    }
    let settings = sweep::settings(&arguments.sweep)?;
    let mut stop = std::pin::pin!(aether_telemetry::shutdown_signal());
    let (mut points, mut last) = (Vec::new(), None);
    for (place, setting) in settings.iter().enumerate() {
        eprintln!("{} of {}: {}", place + 1, settings.len(), setting.name());
        let up = Up::start(setting).await?;
        // What it gave its services is only known now.
        let report = async { measure(&Context::find()?, script, arguments, at).await };
        let report = tokio::select! {
            report = report => report,
            // Not before that is stopped, too.
            () = &mut stop => Err(Error::Told),
        };
        up.stop().await;
        let report = report?;
        points.push(Point::new(setting, &report.figures));
        last = Some(report);
    }
    sweep::mark_front(&mut points);
    let mut report = last.ok_or_else(|| Error::Input("--sweep has nothing to try".to_owned()))?;
    report.sweep = points;
    Ok(report)
}

/// Plays everything to the Aether that runs.
async fn measure(context: &Context, script: &Script, arguments: &Arguments, at: u64) -> Result<Report, Error> {
    let parts = parts(context)?;
    let processor = || {
        let own = (PERSON.to_owned(), std::process::id());
        Processor::now(parts.iter().cloned().chain([own]))
    };
    let resident_before = memory(&parts);
    let mut resident_most = resident_before.clone();
    let (begun, used_before) = (Instant::now(), processor());
    let mut scenes = Scenes::default();
    let mut progress = Progress { done: 0, all: script.len() * arguments.rounds as usize };
    for round in 0..arguments.rounds {
        let seed = arguments.seed.wrapping_add(round.into());
        let mut studio = Studio::open(&arguments.audio, Voices::find(context)?, seed)?;
        for dialogue in &script.dialogues {
            let mut tell = || progress.tell(&dialogue.name);
            let mut left = dialogue.questions.as_slice();
            let mut has_overlaps = !dialogue.overlaps.is_empty();
            while !left.is_empty() || has_overlaps {
                let person = match talk::enter(context, &Place::fresh()?).await {
                    Ok(person) => person,
                    // What was measured until now is still worth showing.
                    Err(error) if !scenes.answers.is_empty() => {
                        eprintln!("\nno further room can be joined: {error}");
                        break;
                    }
                    Err(error) => return Err(error),
                };
                let mut scene = Scene::new(person, &mut studio, dialogue);
                let asked = scene.questions(left, &mut tell).await;
                if let (Ok(asked), true) = (&asked, has_overlaps)
                    && *asked == left.len()
                {
                    scene.overlaps(&mut tell).await?;
                    has_overlaps = false;
                }
                for (name, bytes) in memory(&parts) {
                    let most = resident_most.entry(name).or_default();
                    *most = bytes.max(*most);
                }
                scenes.add(scene.leave().await);
                left = &left[asked?..];
            }
        }
    }
    eprintln!();
    let seconds = begun.elapsed().as_secs_f64();
    let mut used = Processor::default();
    used.add(&used_before, &processor());
    let mb = |bytes: Option<&u64>| bytes.map_or(f64::NAN, |bytes| *bytes as f64 / 1e6);
    let parts = used.0.into_iter().map(|(name, cpu)| PartUse {
        cpu_seconds_per_minute: cpu * 60.0 / seconds,
        resident_mb_before: mb(resident_before.get(&name)),
        resident_mb_most: mb(resident_most.get(&name)),
        name,
    });
    let figures = Figures::of(&scenes, parts.collect());
    Ok(Report {
        measured_at: Stamp::of(at).readable(),
        machine: machine(),
        version: env!("CARGO_PKG_VERSION"),
        seed: arguments.seed,
        rounds: arguments.rounds,
        minutes: seconds / 60.0,
        aims: figures.aims(),
        figures,
        answers: scenes.answers,
        overlaps: scenes.overlaps,
        sweep: Vec::new(),
    })
}

impl Scenes {
    fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.overlaps.extend(other.overlaps);
        self.jitter_ms.extend(other.jitter_ms);
        self.not_played += other.not_played;
    }
}

/// The processes that `aether up` started; none where another machine runs them.
fn parts(context: &Context) -> Result<Vec<(String, u32)>, Error> {
    let running = Running::find(context.layout())?;
    let parts = running.into_iter().flat_map(|running| running.parts);
    Ok(parts.filter_map(|part| Some((part.report.name, part.report.pid?))).collect())
}

fn memory(parts: &[(String, u32)]) -> BTreeMap<String, u64> {
    parts.iter().filter_map(|(name, pid)| Some((name.clone(), resident(*pid)?))).collect()
}

struct Progress {
    done: usize,
    all: usize,
}

impl Progress {
    fn tell(&mut self, dialogue: &str) {
        self.done += 1;
        eprint!("\r{} of {}, {dialogue:<40}", self.done, self.all);
    }
}

fn save(path: &Path, text: &str) -> Result<(), Error> {
    let shown = path.display().to_string();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(shown.clone()))?;
    }
    std::fs::write(path, text).map_err(Error::io(shown))
}

/// A second of UTC, by the calendar.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Stamp {
    /// Of so many seconds since 1970.
    fn of(seconds: u64) -> Self {
        // Years are counted from March, so that the leap day is the last one; an era has 400 of them.
        let days = seconds / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        Self {
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    fn file(&self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    fn readable(&self) -> String {
        let Self { year, month, day, hour, minute, .. } = self;
        format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_days_of_the_calendar() {
        for (seconds, file) in [
            (0, "19700101-000000"),
            (951_827_696, "20000229-123456"),
            (1_709_164_799, "20240228-235959"),
            (1_709_251_200, "20240301-000000"),
            (1_798_761_599, "20261231-235959"),
        ] {
            assert_eq!(Stamp::of(seconds).file(), file);
        }
    }
}
