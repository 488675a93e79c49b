//! One measurement per setting. The knobs are variables of the agent, which reads them at its start, so each time all of Aether
//! is started with them and stopped again, as a person would with `aether up`.

use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::figures::{Figures, Share};
use crate::Error;
use crate::bench::Spread;

/// Loading the models takes most of it.
const UP_WITHIN: Duration = Duration::from_secs(180);
const DOWN_WITHIN: Duration = Duration::from_secs(60);
/// More than anybody has the time for.
const MOST_SETTINGS: usize = 64;

/// A variable and the values to try: `NAME=A,B,C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Knob {
    name: String,
    values: Vec<String>,
}

impl FromStr for Knob {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, values) = text.split_once('=').ok_or("expected NAME=A,B,C")?;
        let is_name = |name: &str| {
            name.starts_with("AETHER_") && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        };
        if !is_name(name) {
            return Err("the name is not a variable of Aether's");
        }
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err("a value is empty");
        }
        Ok(Self { name: name.to_owned(), values })
    }
}

/// Each value of each knob with each value of all others.
pub(super) fn settings(knobs: &[Knob]) -> Result<Vec<Setting>, Error> {
    let mut settings = vec![Setting(Vec::new())];
    for knob in knobs {
        let with = |setting: &Setting| {
            let setting = setting.clone();
            knob.values.iter().map(move |value| {
                let mut variables = setting.0.clone();
                variables.push((knob.name.clone(), value.clone()));
                Setting(variables)
            })
        };
        settings = settings.iter().flat_map(with).collect();
        if settings.len() > MOST_SETTINGS {
            return Err(Error::Input(format!("--sweep would try more than {MOST_SETTINGS} settings")));
        }
    }
    Ok(settings)
}

/// Variables for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting(Vec<(String, String)>);

impl Setting {
    pub(super) fn name(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    }
}

/// What came of one setting.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    pub(super) settings: String,
    pub(super) latency_ms: Spread,
    pub(super) cut_offs: Share,
    pub(super) late: Share,
    /// No other setting has both a lower median and fewer false cut-offs.
    pub(super) is_on_front: bool,
}

impl Point {
    pub(super) fn new(setting: &Setting, figures: &Figures) -> Self {
        Self {
            settings: setting.name(),
            latency_ms: figures.latency_ms,
            cut_offs: figures.cut_offs,
            late: figures.late,
            is_on_front: false,
        }
    }

    fn place(&self) -> (f64, f64) {
        (self.latency_ms.p50, self.cut_offs.percent())
    }
}

/// Marks the points that no other one beats in both directions.
pub(super) fn mark_front(points: &mut [Point]) {
    let places: Vec<_> = points.iter().map(Point::place).collect();
    for point in points {
        let (latency, cut_offs) = point.place();
        let beaten = places.iter().any(|(other_latency, other_cut_offs)| {
            *other_latency <= latency
                && *other_cut_offs <= cut_offs
                && (*other_latency < latency || *other_cut_offs < cut_offs)
        });
        point.is_on_front = latency.is_finite() && cut_offs.is_finite() && !beaten;
    }
}

/// An `aether up` of our own.
pub(super) struct Up {
    child: Child,
}

impl Up {
    /// Starts it and waits until everything is up.
    pub(super) async fn start(setting: &Setting) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(Error::io("this program's own path can't be found"))?;
        let mut command = Command::new(program);
        command.args(["up", "--json"]).envs(setting.0.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::piped());
        // Its children die with it.
        let mut child = command.kill_on_drop(true).spawn().map_err(Error::io("`aether up` can't be started"))?;
        let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let up = async {
            while let Some(lines) = &mut lines
                && let Ok(Some(line)) = lines.next_line().await
            {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["event"] == "up" {
                    return true;
                }
            }
            false
        };
        let is_up = timeout(UP_WITHIN, up).await.unwrap_or_default();
        // What it says later is read on, so that it is never held up.
        tokio::spawn(async move { while let Some(Ok(Some(_))) = next_line(&mut lines).await {} });
        if is_up {
            return Ok(Self { child });
        }
        Self { child }.stop().await;
        Err(Error::Input(format!("Aether did not come up with {}: look at the logs", setting.name())))
    }

    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        // Who does not go is killed when it is dropped.
        let _ = timeout(DOWN_WITHIN, self.child.wait()).await;
    }
}

type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStdout>>;

async fn next_line(lines: &mut Option<Lines>) -> Option<std::io::Result<Option<String>>> {
    match lines {
        Some(lines) => Some(lines.next_line().await),
        None => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench::voice) fn point(p50: f64, count: usize) -> Point {
        Point {
            settings: format!("AETHER_X={count}"),
            latency_ms: Spread { p50, p95: p50, p99: p50, of: 1 },
            cut_offs: Share { count, of: 10 },
            late: Share::default(),
            is_on_front: false,
        }
    }

    #[test]
    fn a_knob_is_a_variable_and_its_values() {
        let knob: Knob = "AETHER_ENDPOINT_SILENCE_MS=200, 500".parse().unwrap();
        assert_eq!(knob.values, ["200", "500"]);
        for wrong in ["AETHER_ENDPOINT_SILENCE_MS", "PATH=a", "AETHER_A B=1", "AETHER_A=1,,2"] {
            assert!(wrong.parse::<Knob>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_value_is_tried_with_every_other() {
        let knobs = ["AETHER_A=1,2".parse().unwrap(), "AETHER_B=3,4".parse().unwrap()];
        let names: Vec<_> = settings(&knobs).unwrap().iter().map(Setting::name).collect();
        assert_eq!(
            names,
            ["AETHER_A=1 AETHER_B=3", "AETHER_A=1 AETHER_B=4", "AETHER_A=2 AETHER_B=3", "AETHER_A=2 AETHER_B=4"]
        );
    }

    #[test]
    fn the_front_is_what_nothing_else_beats_in_both() {
        let mut points = vec![point(500.0, 4), point(700.0, 1), point(800.0, 1), point(900.0, 0), point(f64::NAN, 0)];
        mark_front(&mut points);
        let front: Vec<_> = points.iter().map(|point| point.is_on_front).collect();
        assert_eq!(front, [true, true, false, true, false]);
    }
}
