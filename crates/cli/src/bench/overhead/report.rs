use std::time::Duration;

use serde::Serialize;

use super::{DECODE, WAIT};
use crate::bench::Spread;
use crate::bench::processes::Processor;
use crate::bench::scripted_model::{FIRST_TOKEN, TOKEN};
use crate::bench::scripted_voice::FIRST_AUDIO;
use crate::person::Exchange;
use crate::{Error, print};

pub(super) const AGENT: &str = "agent";
/// This process: the people, the language model and the voice.
pub(super) const PEOPLE: &str = "people and engines";

/// Where the time of one turn went, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Turn {
    /// End of speech → first audible frame, at the person.
    total: f64,
    /// The same in the agent.
    in_agent: f64,
    /// Of that, neither the wait nor an engine's time.
    overhead: f64,
}

impl Turn {
    pub(super) fn of(exchange: &Exchange) -> Result<Self, Error> {
        let total = exchange.total.ok_or_else(|| Error::Input("an answer was not heard".to_owned()))?;
        Ok(Self {
            total: total.as_secs_f64() * 1e3,
            in_agent: exchange.metrics.total_ms.into(),
            overhead: f64::from(exchange.metrics.overhead_us) / 1e3,
        })
    }

    /// Both network legs with their codecs and jitter buffers, and what the agent takes the voice to have lasted longer.
    fn on_the_way(&self) -> f64 {
        self.total - self.in_agent
    }

    fn added(&self) -> f64 {
        self.on_the_way() + self.overhead
    }
}

/// What was measured with so many rooms.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    rooms: u32,
    turns: usize,
    total_ms: Spread,
    added_ms: Spread,
    in_the_agent_ms: Spread,
    on_the_way_ms: Spread,
    /// Processor time of each part, in seconds for a room and a minute.
    processor: Processor,
    agent_resident_mb: f64,
}

impl Row {
    pub(super) fn new(
        rooms: u32,
        turns: &[Turn],
        lasted: Duration,
        before: &Processor,
        after: &Processor,
        resident: Option<u64>,
    ) -> Self {
        let mut processor = Processor::default();
        processor.add(before, after);
        let room_minutes = f64::from(rooms) * lasted.as_secs_f64() / 60.0;
        processor.0.values_mut().for_each(|seconds| *seconds /= room_minutes);
        Self {
            rooms,
            turns: turns.len(),
            total_ms: Spread::of(turns.iter().map(|turn| turn.total)),
            added_ms: Spread::of(turns.iter().map(Turn::added)),
            in_the_agent_ms: Spread::of(turns.iter().map(|turn| turn.overhead)),
            on_the_way_ms: Spread::of(turns.iter().map(Turn::on_the_way)),
            processor,
            agent_resident_mb: resident.map_or(f64::NAN, |bytes| bytes as f64 / 1e6),
        }
    }
}

pub(super) struct Report {
    pub(super) machine: String,
    /// Of each person.
    pub(super) turns: u32,
    pub(super) rows: Vec<Row>,
}

impl Report {
    /// From the first number of rooms to the last, in megabytes for each that was added.
    fn extra_room_mb(&self) -> f64 {
        match self.rows.as_slice() {
            [first, .., last] => {
                (last.agent_resident_mb - first.agent_resident_mb) / f64::from(last.rooms - first.rooms)
            }
            _ => f64::NAN,
        }
    }

    pub(super) fn show(&self, json: bool) -> Result<(), Error> {
        if json {
            let all = serde_json::json!({
                "machine": self.machine, "turns_each": self.turns, "wait_ms": WAIT.as_millis(), "decode_ms": DECODE.as_millis(),
                "first_token_ms": FIRST_TOKEN.as_millis(), "token_ms": TOKEN.as_millis(),
                "first_audio_ms": FIRST_AUDIO.as_millis(), "runs": self.rows, "extra_room_mb": self.extra_room_mb(),
            });
            return print::line(&all.to_string());
        }
        print::line(&self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "{} turns a room, on {}. By the clock: a wait of {} ms, transcription {} ms, first token {} ms, each token {} ms, \
             first audio {} ms\n\n",
            self.turns,
            self.machine,
            WAIT.as_millis(),
            DECODE.as_millis(),
            FIRST_TOKEN.as_millis(),
            TOKEN.as_millis(),
            FIRST_AUDIO.as_millis()
        );
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line("| ms | rooms | p50 | p95 | p99 |\n|---|---:|---:|---:|---:|");
        let mut spreads = |name: &str, of: fn(&Row) -> Spread| {
            for row in &self.rows {
                let Spread { p50, p95, p99, .. } = of(row);
                line(&format!("| {name} | {} | {p50:.1} | {p95:.1} | {p99:.1} |", row.rooms));
            }
        };
        spreads("end of speech → first audio, at the person", |row| row.total_ms);
        spreads("**added**: beyond the wait and the engines", |row| row.added_ms);
        spreads("– in the agent: Aether's own overhead", |row| row.in_the_agent_ms);
        spreads("– on the way, and until the voice is known to have ended", |row| row.on_the_way_ms);
        line("\n| processor seconds a room and minute | rooms | |\n|---|---:|---:|");
        for name in self.rows.iter().flat_map(|row| row.processor.0.keys()).collect::<std::collections::BTreeSet<_>>() {
            for row in &self.rows {
                let seconds = row.processor.0.get(name).copied().unwrap_or(f64::NAN);
                line(&format!("| {name} | {} | {seconds:.2} |", row.rooms));
            }
        }
        line("\n| memory of the agent | rooms | MB |\n|---|---:|---:|");
        for row in &self.rows {
            line(&format!("| resident | {} | {:.0} |", row.rooms, row.agent_resident_mb));
        }
        line(&format!("| each room more | | {:.1} |", self.extra_room_mb()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rooms: u32, overhead: f64, megabytes: u64) -> Row {
        let turns = vec![Turn { total: 600.0, in_agent: 560.0, overhead }; 3];
        let (before, after) = (Processor::default(), Processor([(AGENT.to_owned(), 6.0)].into()));
        Row::new(rooms, &turns, Duration::from_secs(30), &before, &after, Some(megabytes * 1_000_000))
    }

    #[test]
    fn what_is_added_is_the_way_and_the_agents_own() {
        let row = row(1, 4.5, 100);
        assert_eq!((row.on_the_way_ms.p50, row.added_ms.p95, row.total_ms.p99), (40.0, 44.5, 600.0));
    }

    #[test]
    fn a_rooms_share_is_what_each_one_more_takes() {
        let report =
            Report { machine: "a machine".to_owned(), turns: 3, rows: vec![row(1, 4.0, 100), row(8, 9.0, 135)] };
        assert!((report.extra_room_mb() - 5.0).abs() < 1e-9);
        let text = report.markdown();
        assert!(text.contains("| **added**: beyond the wait and the engines | 8 | 49.0 | 49.0 | 49.0 |"), "{text}");
        assert!(text.contains("| each room more | | 5.0 |"), "{text}");
    }
}
