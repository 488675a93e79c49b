use std::collections::BTreeMap;
use std::time::Duration;

use aether_audio::level;
use aether_proto::{AgentState, ClientEvent, TurnMetrics, client_event};
use tokio::time::Instant;

use crate::person::{AUDIBLE_DBFS, Perceived};

/// 10 ms of the agent's sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    /// When it arrived; like all times here, since the tape began.
    pub(super) at: Duration,
    pub(super) dbfs: f32,
}

impl Frame {
    pub(super) fn is_audible(&self) -> bool {
        self.dbfs > AUDIBLE_DBFS
    }
}

/// What the agent said about itself, as far as it is judged by it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sign {
    /// The person is taken to have said this, for good.
    Words(String),
    State(AgentState),
    /// A piece of an answer's text.
    Text {
        turn: String,
    },
    /// Where the time of a turn went, in milliseconds by stage.
    Metrics {
        turn: String,
        stages: BTreeMap<String, f64>,
    },
    /// `completed`, `interrupted` or `error`.
    End {
        turn: String,
        reason: String,
    },
    Failed(String),
}

/// All that came from the room, in the order of its arrival.
#[derive(Debug)]
pub(super) struct Tape {
    begun: Instant,
    person: String,
    pub(super) frames: Vec<Frame>,
    pub(super) signs: Vec<(Duration, Sign)>,
}

impl Tape {
    /// For what is said by this participant.
    pub(super) fn new(person: &str) -> Self {
        Self { begun: Instant::now(), person: person.to_owned(), frames: Vec::new(), signs: Vec::new() }
    }

    pub(super) fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn record(&mut self, perceived: Perceived) {
        match perceived {
            Perceived::Sound { at, frame } => {
                let at = self.time(at);
                self.frames.push(Frame { at, dbfs: level::rms_dbfs_pcm16(&frame) });
            }
            Perceived::Event { at, event } => {
                if let Some(sign) = self.sign(*event) {
                    self.signs.push((self.time(at), sign));
                }
            }
        }
    }

    fn sign(&self, event: ClientEvent) -> Option<Sign> {
        let turn = event.turn_id;
        match event.event? {
            client_event::Event::Transcript(words) if words.r#final && words.speaker == self.person => {
                Some(Sign::Words(words.text))
            }
            client_event::Event::AgentState(state) => Some(Sign::State(state.state())),
            client_event::Event::TextChunk(_) => Some(Sign::Text { turn }),
            client_event::Event::Interrupted(_) => Some(Sign::End { turn, reason: "interrupted".to_owned() }),
            client_event::Event::StreamEnd(end) => Some(Sign::End { turn, reason: end.reason }),
            client_event::Event::TurnMetrics(metrics) => Some(Sign::Metrics { turn, stages: stages(&metrics) }),
            client_event::Event::Error(error) => Some(Sign::Failed(error.to_string())),
            _ => None,
        }
    }

    /// Since when nothing has been heard; the beginning, where nothing ever was.
    pub(super) fn silent_since(&self) -> Duration {
        self.frames.iter().rev().find(|frame| frame.is_audible()).map_or(Duration::ZERO, |frame| frame.at)
    }

    /// Whether the voice sounds right now.
    pub(super) fn is_audible_at(&self, now: Duration) -> bool {
        now.saturating_sub(self.silent_since()) < Duration::from_millis(30)
    }

    pub(super) fn state(&self) -> Option<AgentState> {
        self.signs.iter().rev().find_map(|(_, sign)| match sign {
            Sign::State(state) => Some(*state),
            _ => None,
        })
    }

    pub(super) fn signs_within(&self, from: Duration, to: Duration) -> impl Iterator<Item = (Duration, &Sign)> {
        self.signs.iter().filter(move |(at, _)| (from..=to).contains(at)).map(|(at, sign)| (*at, sign))
    }

    pub(super) fn frames_within(&self, from: Duration, to: Duration) -> &[Frame] {
        let begin = self.frames.partition_point(|frame| frame.at < from);
        let end = self.frames.partition_point(|frame| frame.at <= to);
        &self.frames[begin..end.max(begin)]
    }

    /// Of which turn the last text was that came until then.
    pub(super) fn turn_at(&self, at: Duration) -> Option<&str> {
        self.signs_within(Duration::ZERO, at)
            .filter_map(|(_, sign)| match sign {
                Sign::Text { turn } => Some(turn.as_str()),
                _ => None,
            })
            .last()
    }

    /// How a turn ended first, after then.
    pub(super) fn end_of(&self, turn: &str, from: Duration, to: Duration) -> Option<(Duration, &str)> {
        self.signs_within(from, to).find_map(|(at, sign)| match sign {
            Sign::End { turn: ended, reason } if ended == turn => Some((at, reason.as_str())),
            _ => None,
        })
    }

    /// How far each frame was from coming 10 ms after the one before it, in milliseconds.
    pub(super) fn jitter(&self) -> impl Iterator<Item = f64> {
        self.frames.windows(2).map(|pair| (pair[1].at.saturating_sub(pair[0].at).as_secs_f64() * 1e3 - 10.0).abs())
    }
}

/// Every number that a turn's metrics have, also those that this program knows no name for.
fn stages(metrics: &TurnMetrics) -> BTreeMap<String, f64> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(metrics) else { return BTreeMap::new() };
    let stages = fields.into_iter().filter_map(|(name, value)| {
        let number = value.as_f64()?;
        Some(match name.strip_suffix("Us") {
            Some(stage) => (stage.to_owned(), number / 1e3),
            None => (name.strip_suffix("Ms")?.to_owned(), number),
        })
    });
    stages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_taken_in_milliseconds() {
        let metrics = TurnMetrics {
            endpoint_ms: 500,
            llm_first_token_ms: 160,
            overhead_us: 2_500,
            trace_id: "abc".to_owned(),
            ..TurnMetrics::default()
        };
        let expected = [("endpoint", 500.0), ("llmFirstToken", 160.0), ("overhead", 2.5)];
        assert_eq!(stages(&metrics), expected.map(|(name, ms)| (name.to_owned(), ms)).into());
    }
}
