use std::collections::BTreeMap;

use serde::Serialize;

use super::judge::{Duck, Outcome, TOO_LATE};
use super::scene::{Answered, Overlapped, Scenes};
use crate::bench::dialogue::Kind;
use crate::bench::words::Errors;
use crate::bench::{Spread, ms};

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Share {
    pub(super) count: usize,
    pub(super) of: usize,
}

impl Share {
    /// In percent; not a number where there was nothing to count.
    pub(super) fn percent(self) -> f64 {
        if self.of == 0 { f64::NAN } else { 100.0 * self.count as f64 / self.of as f64 }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Stage {
    pub(super) key: String,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) ms: Spread,
}

/// What one part took of the machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct PartUse {
    pub(super) name: String,
    pub(super) cpu_seconds_per_minute: f64,
    /// Before the first room, and the most at the end of one.
    pub(super) resident_mb_before: f64,
    pub(super) resident_mb_most: f64,
}

/// Everything that is said about a measurement, in numbers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) latency_ms: Spread,
    pub(super) stages: Vec<Stage>,
    /// Of the utterances that were answered.
    pub(super) late: Share,
    /// Of all utterances.
    pub(super) unanswered: Share,
    /// Of the pauses inside of sentences.
    pub(super) cut_offs: Share,
    /// Where there was no pause.
    pub(super) cut_offs_elsewhere: usize,
    /// Of what did not mean anything.
    pub(super) false_interruptions: Share,
    pub(super) false_interruptions_by_kind: BTreeMap<&'static str, Share>,
    /// Of what did not mean anything: words were made of it.
    pub(super) taken_for_words: Share,
    pub(super) missed_interruptions: Share,
    pub(super) duck_ms: Spread,
    /// Of the overlaps with a voice, where it is clear.
    pub(super) not_ducked: Share,
    /// Of those that stopped the voice, also too late.
    pub(super) stop_ms: Spread,
    pub(super) overlaps_not_played: usize,
    pub(super) words: Errors,
    pub(super) words_by_condition: BTreeMap<&'static str, Errors>,
    pub(super) jitter_ms: Spread,
    pub(super) parts: Vec<PartUse>,
}

impl Figures {
    pub(super) fn of(scenes: &Scenes, parts: Vec<PartUse>) -> Self {
        let (answers, overlaps) = (&scenes.answers, &scenes.overlaps);
        let latencies = || answers.iter().filter_map(|answer| answer.latency_ms);
        let answered = answers.iter().filter(|answer| answer.failed.is_none()).count();
        let idle = || overlaps.iter().filter(|overlap| overlap.kind != Kind::Interruption);
        let interruptions = || overlaps.iter().filter(|overlap| overlap.kind == Kind::Interruption);
        let spoken = || overlaps.iter().filter(|overlap| overlap.kind.is_speech());

        let mut false_interruptions_by_kind = BTreeMap::<_, Share>::new();
        for overlap in idle() {
            let share = false_interruptions_by_kind.entry(overlap.kind.name()).or_default();
            share.of += 1;
            share.count += usize::from(overlap.was_stopped());
        }
        let mut words_by_condition = BTreeMap::<_, Errors>::new();
        for answer in answers {
            words_by_condition.entry(answer.condition).or_default().add(answer.errors);
        }
        let mut words = Errors::default();
        words_by_condition.values().for_each(|errors| words.add(*errors));
        let cut_offs = || answers.iter().flat_map(|answer| &answer.cut_offs);
        Self {
            latency_ms: Spread::of(latencies()),
            stages: stages(answers),
            late: Share {
                count: latencies().filter(|latency| *latency > ms(TOO_LATE)).count(),
                of: latencies().count(),
            },
            unanswered: Share { count: answers.len() - answered, of: answers.len() },
            cut_offs: Share {
                count: cut_offs().filter(|cut_off| cut_off.pause.is_some()).count(),
                of: answers.iter().map(|answer| answer.pauses_ms.len()).sum(),
            },
            cut_offs_elsewhere: cut_offs().filter(|cut_off| cut_off.pause.is_none()).count(),
            false_interruptions: Share {
                count: idle().filter(|overlap| overlap.was_stopped()).count(),
                of: idle().count(),
            },
            false_interruptions_by_kind,
            taken_for_words: Share {
                count: idle().filter(|overlap| overlap.taken_for.is_some()).count(),
                of: idle().count(),
            },
            missed_interruptions: Share {
                count: interruptions().filter(|overlap| matches!(overlap.outcome, Outcome::Missed { .. })).count(),
                of: interruptions().count(),
            },
            duck_ms: Spread::of(spoken().filter_map(|overlap| match overlap.lowered {
                Duck::AfterMs(after) => Some(after),
                Duck::Never | Duck::Unclear => None,
            })),
            not_ducked: Share {
                count: spoken().filter(|overlap| overlap.lowered == Duck::Never).count(),
                of: spoken().filter(|overlap| overlap.lowered != Duck::Unclear).count(),
            },
            stop_ms: Spread::of(interruptions().filter_map(|overlap| match overlap.outcome {
                Outcome::Stopped { after_ms } => Some(after_ms),
                Outcome::Missed { after_ms } => after_ms,
                _ => None,
            })),
            overlaps_not_played: scenes.not_played,
            words,
            words_by_condition,
            jitter_ms: Spread::of(scenes.jitter_ms.iter().copied()),
            parts,
        }
    }

    pub(super) fn stage(&self, key: &str) -> Option<&Spread> {
        self.stages.iter().find(|stage| stage.key == key).map(|stage| &stage.ms)
    }

    /// What was aimed at, on two cores with the small models.
    pub(super) fn aims(&self) -> Vec<Aim> {
        let aim = |name, value, most, unit| Aim { name, value, most, unit };
        let overhead = self.stage("overhead").map_or(f64::NAN, |spread| spread.p95);
        vec![
            aim("end of speech → audio, p50", self.latency_ms.p50, 900.0, "ms"),
            aim("end of speech → audio, p95", self.latency_ms.p95, 1_600.0, "ms"),
            aim("false cut-offs", self.cut_offs.percent(), 5.0, "%"),
            aim("false interruptions", self.false_interruptions.percent(), 5.0, "%"),
            aim("missed interruptions", self.missed_interruptions.percent(), 2.0, "%"),
            aim("overlap → lowered voice, p95", self.duck_ms.p95, 50.0, "ms"),
            aim("overlap → silence, p95", self.stop_ms.p95, 250.0, "ms"),
            aim("Aether's own overhead, p95", overhead, 5.0, "ms"),
        ]
    }
}

impl Overlapped {
    fn was_stopped(&self) -> bool {
        matches!(self.outcome, Outcome::Stopped { .. })
    }
}

/// A figure, and the most that it should be.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Aim {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) most: f64,
    pub(super) unit: &'static str,
}

impl Aim {
    pub(super) fn is_met(&self) -> bool {
        self.value <= self.most
    }

    pub(super) fn verdict(&self) -> String {
        match self.value {
            value if value.is_nan() => "not measured".to_owned(),
            _ if self.is_met() => "met".to_owned(),
            value => format!("missed by {:.0} {}", (value - self.most).ceil(), self.unit),
        }
    }
}

/// The stages that this program knows, in the order of their time.
const STAGES: [(&str, &str); 8] = [
    ("endpoint", "end of speech → decision that it is over"),
    ("stt", "decision → transcript (what the wait did not hide)"),
    ("sttDecode", "transcription itself"),
    ("llmFirstToken", "transcript → first token"),
    ("llmFirstChunk", "first token → first clause"),
    ("ttsFirstAudio", "first clause → first audio"),
    ("total", "end of speech → first audio, in the agent"),
    ("overhead", "of that, Aether's own overhead"),
];

/// A stage that a turn says nothing about took no time.
fn stages(answers: &[Answered]) -> Vec<Stage> {
    let told: Vec<_> = answers.iter().map(|answer| &answer.stages_ms).filter(|stages| !stages.is_empty()).collect();
    let known = STAGES.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned()));
    let mut unknown: Vec<&String> = told.iter().flat_map(|stages| stages.keys()).collect();
    unknown.retain(|key| STAGES.iter().all(|(known, _)| known != key));
    unknown.sort();
    unknown.dedup();
    let unknown = unknown.into_iter().map(|key| (key.clone(), spaced(key)));
    known
        .chain(unknown)
        .map(|(key, name)| {
            let values = told.iter().map(|stages| stages.get(&key).copied().unwrap_or_default());
            Stage { ms: Spread::of(values), key, name }
        })
        .collect()
}

/// `sttDecode` → `stt decode`.
fn spaced(key: &str) -> String {
    let mut name = String::new();
    for character in key.chars() {
        if character.is_uppercase() {
            name.push(' ');
        }
        name.extend(character.to_lowercase());
    }
    name
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::voice::judge::CutOff;

    pub(in crate::bench::voice) fn answered(latency_ms: Option<f64>, cut_offs: Vec<CutOff>) -> Answered {
        Answered {
            dialogue: "a <dialogue>".to_owned(),
            condition: "clean",
            said: "good morning & welcome".to_owned(),
            understood: "good evening and welcome".to_owned(),
            errors: Errors { wrong: 2, said: 3 },
            latency_ms,
            pauses_ms: vec![700.0, 300.0],
            cut_offs,
            stages_ms: [("endpoint".to_owned(), 500.0), ("gateWait".to_owned(), 3.0)].into(),
            failed: None,
        }
    }

    pub(in crate::bench::voice) fn overlapped(kind: Kind, outcome: Outcome) -> Overlapped {
        Overlapped {
            dialogue: "b".to_owned(),
            kind,
            what: "right".to_owned(),
            outcome,
            lowered: if kind.is_speech() { Duck::AfterMs(80.0) } else { Duck::Never },
            taken_for: None,
        }
    }

    pub(in crate::bench::voice) fn scenes() -> Scenes {
        let stopped = Outcome::Stopped { after_ms: 300.0 };
        Scenes {
            answers: vec![
                answered(Some(800.0), vec![]),
                answered(Some(1_700.0), vec![]),
                answered(
                    None,
                    vec![CutOff { pause: Some(0), after_ms: 600.0 }, CutOff { pause: None, after_ms: 100.0 }],
                ),
            ],
            overlaps: vec![
                overlapped(Kind::Backchannel, Outcome::WentOn),
                overlapped(Kind::Noise, stopped),
                overlapped(Kind::Interruption, stopped),
                overlapped(Kind::Interruption, Outcome::Missed { after_ms: Some(1_800.0) }),
            ],
            jitter_ms: vec![0.1, 0.2],
            not_played: 0,
        }
    }

    #[test]
    fn shares_are_of_what_could_have_gone_wrong() {
        let figures = Figures::of(&scenes(), Vec::new());
        assert_eq!(figures.cut_offs, Share { count: 1, of: 6 });
        assert_eq!(figures.cut_offs_elsewhere, 1);
        assert_eq!(figures.late, Share { count: 1, of: 2 });
        assert_eq!(figures.false_interruptions, Share { count: 1, of: 2 });
        assert_eq!(figures.false_interruptions_by_kind["backchannel"], Share { count: 0, of: 1 });
        assert_eq!(figures.missed_interruptions, Share { count: 1, of: 2 });
        assert_eq!((figures.stop_ms.p50, figures.stop_ms.of), (300.0, 2), "also what was too late");
        assert_eq!(figures.duck_ms.of, 3, "a noise is not spoken over");
        assert_eq!(figures.unanswered, Share { count: 0, of: 3 });
    }

    #[test]
    fn a_stage_without_a_name_here_is_shown_by_its_own() {
        let figures = Figures::of(&scenes(), Vec::new());
        assert_eq!(figures.stages.last().map(|stage| stage.name.as_str()), Some("gate wait"));
        assert_eq!(figures.stage("gateWait").map(|spread| spread.p50), Some(3.0));
        assert_eq!(figures.stage("stt").map(|spread| (spread.p50, spread.of)), Some((0.0, 3)));
    }

    #[test]
    fn an_aim_is_met_missed_or_not_measured() {
        let verdict = |value| Aim { name: "", value, most: 250.0, unit: "ms" }.verdict();
        assert_eq!(verdict(250.0), "met");
        assert_eq!(verdict(262.4), "missed by 13 ms");
        assert_eq!(verdict(f64::NAN), "not measured");
    }
}
