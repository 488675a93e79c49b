//! What went into the machines of one session and what came out, one JSON object per line, and whether they would do the
//! same again.
//!
//! ```text
//! {"machine":{"lane":1},"event":"began","effects":[]}
//! {"machine":"floor","event":{"began":{"lane":1}},"effects":["duck",{"arm":{"deadline":"barge_in","armed":2}}]}
//! ```
//!
//! The machines know no clock and no chance: the same events have the same effects. So a [`Replay`] of what a person
//! complained about is what happened there, bit for bit, as long as the machines are the same; and where they were changed, it
//! names the first event that is answered otherwise.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::floor::{self, Floor, LaneId};
use crate::lane::{self, Lane};

/// The shape of a line, for whoever has written another.
const SHAPE: &str = r#"{"machine":"floor" or {"lane":1},"event":…,"effects":[…]}"#;

/// One step of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Floor { event: floor::Event, effects: Vec<floor::Effect> },
    Lane { lane: LaneId, event: lane::Event, effects: Vec<lane::Effect> },
}

/// Which machine was stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    Floor,
    Lane(LaneId),
}

/// Why a trace can't be replayed, or that it was replayed otherwise than it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Lines and columns count from 1.
    #[error("line {line}, column {column}: {reason}; expected {SHAPE}")]
    Unreadable { line: usize, column: usize, reason: String },
    #[error("line {line}: {machine}, {event}\n  expected {expected}\n  got      {got}")]
    Different {
        line: usize,
        machine: Machine,
        event: String,
        /// The effects on record, as JSON.
        expected: String,
        /// What the machine decides now, as JSON.
        got: String,
    },
}

impl Record {
    /// One line, without its end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Floor { event, effects } => serde_json::to_string(&Line { machine: Machine::Floor, event, effects }),
            Self::Lane { lane, event, effects } => {
                serde_json::to_string(&Line { machine: Machine::Lane(*lane), event, effects })
            }
        }
    }

    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        let Head { machine } = serde_json::from_str(line)?;
        Ok(match machine {
            Machine::Floor => {
                let Line { event, effects, .. } = read(line)?;
                Self::Floor { event, effects }
            }
            Machine::Lane(lane) => {
                let Line { event, effects, .. } = read(line)?;
                Self::Lane { lane, event, effects }
            }
        })
    }
}

#[derive(Deserialize)]
struct Head {
    machine: Machine,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<Event, Effects> {
    machine: Machine,
    event: Event,
    effects: Effects,
}

fn read<Event: DeserializeOwned, Effect: DeserializeOwned>(
    line: &str,
) -> Result<Line<Event, Vec<Effect>>, serde_json::Error> {
    serde_json::from_str(line)
}

/// The machines of a session, played through from its beginning.
#[derive(Debug, Default)]
pub struct Replay {
    floor: Floor,
    lanes: BTreeMap<LaneId, Lane>,
    lines: usize,
}

impl Replay {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line of a trace. After a difference the machine is where its own decision has led it.
    pub fn next(&mut self, line: &str) -> Result<(), Error> {
        self.lines += 1;
        let record = Record::from_line(line).map_err(|error| self.unreadable(&error))?;
        match record {
            Record::Floor { event, effects } => {
                let got = self.floor.next(event.clone());
                self.compare(Machine::Floor, &event, &effects, &got)
            }
            Record::Lane { lane, event, effects } => {
                let got = self.lanes.entry(lane).or_default().next(event.clone());
                self.compare(Machine::Lane(lane), &event, &effects, &got)
            }
        }
    }

    fn compare<Event: Serialize, Effect: Serialize + PartialEq>(
        &self,
        machine: Machine,
        event: &Event,
        expected: &[Effect],
        got: &[Effect],
    ) -> Result<(), Error> {
        if expected == got {
            return Ok(());
        }
        let (event, expected, got) = (json(event), json(expected), json(got));
        Err(Error::Different { line: self.lines, machine, event, expected, got })
    }

    fn unreadable(&self, error: &serde_json::Error) -> Error {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = error.to_string().replace(&place, "");
        Error::Unreadable { line: self.lines, column: error.column().max(1), reason }
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floor => formatter.write_str("the floor"),
            Self::Lane(LaneId(lane)) => write!(formatter, "lane {lane}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: LaneId = LaneId(1);

    /// A short conversation, as the machines themselves have it.
    fn recorded() -> Vec<String> {
        let (mut floor, mut lane) = (Floor::new(), Lane::new());
        let mut lines = Vec::new();
        let mut of_floor = |event: floor::Event| {
            let effects = floor.next(event.clone());
            lines.push(Record::Floor { event, effects }.to_line().unwrap());
        };
        of_floor(floor::Event::Began { lane: ADA });
        of_floor(floor::Event::Draft { lane: ADA, text: "hel".to_owned() });
        of_floor(floor::Event::Ended { lane: ADA });
        of_floor(floor::Event::Said { lane: ADA, text: "hello".to_owned() });
        of_floor(floor::Event::Interrupt);
        for event in [lane::Event::Began, lane::Event::Ended, lane::Event::Closed] {
            let effects = lane.next(event.clone());
            lines.push(Record::Lane { lane: ADA, event, effects }.to_line().unwrap());
        }
        lines
    }

    #[test]
    fn a_trace_reads_like_this() {
        let lines = recorded();
        assert_eq!(lines[0], r#"{"machine":"floor","event":{"began":{"lane":1}},"effects":[]}"#);
        assert_eq!(
            lines[3],
            concat!(
                r#"{"machine":"floor","event":{"said":{"lane":1,"text":"hello"}},"effects":["#,
                r#"{"commit":{"generation":1,"lane":1,"text":"hello","written":false}},"#,
                r#"{"arm":{"deadline":"answer","armed":1}}]}"#
            )
        );
        assert_eq!(
            lines[6],
            concat!(
                r#"{"machine":{"lane":1},"event":"ended","effects":["#,
                r#"{"transcribe":{"generation":1}},{"arm_silence_deadline":{"generation":1}}]}"#
            )
        );
    }

    #[test]
    fn the_same_machines_do_the_same_again() {
        let mut replay = Replay::new();
        for line in recorded() {
            assert_eq!(Record::from_line(&line).unwrap().to_line().unwrap(), line);
            assert_eq!(replay.next(&line), Ok(()));
        }
    }

    #[test]
    fn what_was_changed_is_found_with_its_line() {
        let mut lines = recorded();
        lines[3] = lines[3].replace(r#""armed":1"#, r#""armed":2"#);
        let mut replay = Replay::new();
        let found: Vec<_> = lines.iter().filter_map(|line| replay.next(line).err()).collect();
        let [found @ Error::Different { line: 4, .. }] = found.as_slice() else { panic!("{found:?}") };
        let told = found.to_string();
        assert!(told.starts_with(r#"line 4: the floor, {"said":{"lane":1,"text":"hello"}}"#), "{told}");
        assert!(
            told.contains(r#""armed":2"#) && told.ends_with(r#"{"arm":{"deadline":"answer","armed":1}}]"#),
            "{told}"
        );
    }

    #[test]
    fn rubbish_is_named_with_its_place() {
        for (line, says) in [
            ("", "line 1, column 1: EOF while parsing"),
            ("hello", "line 1, column 1: expected value"),
            ("{}", "missing field `machine`"),
            (r#"{"machine":"radio","event":"began","effects":[]}"#, "unknown variant `radio`"),
            (r#"{"machine":"floor","event":"began","effects":[]}"#, "invalid type: unit variant"),
            (r#"{"machine":"floor","event":{"began":{"lane":1,"loud":true}},"effects":[]}"#, "unknown field `loud`"),
            (r#"{"machine":{"lane":1},"event":"began"}"#, "missing field `effects`"),
            (r#"{"machine":{"lane":1},"event":"began","effects":[]} and more"#, "trailing characters"),
        ] {
            let told = Replay::new().next(line).unwrap_err().to_string();
            assert!(told.contains(says) && told.contains("expected {\"machine\""), "{line}: {told}");
        }
    }
}
