use std::fmt::Write as _;

use serde::Serialize;

use super::figures::{Aim, Figures, Share};
use super::scene::{Answered, Overlapped};
use super::sweep::Point;
use crate::bench::Spread;

/// One measurement, with all that is needed to make it again.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// UTC.
    pub(super) measured_at: String,
    pub(super) machine: String,
    pub(super) version: &'static str,
    pub(super) seed: u64,
    pub(super) rounds: u32,
    pub(super) minutes: f64,
    pub(super) aims: Vec<Aim>,
    pub(super) figures: Figures,
    pub(super) answers: Vec<Answered>,
    pub(super) overlaps: Vec<Overlapped>,
    /// The settings that were tried; the rest of the report is about the last of them.
    pub(super) sweep: Vec<Point>,
}

impl Report {
    /// What was measured in one paragraph.
    pub(super) fn headline(&self) -> String {
        let (answers, overlaps) = (self.answers.len(), self.overlaps.len());
        format!(
            "{answers} utterances and {overlaps} overlaps in {:.1} minutes, on {} (seed {}, {} UTC)",
            self.minutes, self.machine, self.seed, self.measured_at
        )
    }

    pub(super) fn markdown(&self) -> String {
        let figures = &self.figures;
        let mut text = format!("{}\n\n", self.headline());
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line("| aim | measured | at most | |\n|---|---:|---:|---|");
        for aim in &self.aims {
            let (name, unit) = (aim.name, aim.unit);
            line(&format!("| {name} | {} | {} {unit} | {} |", amount(aim.value, unit), aim.most, aim.verdict()));
        }
        line("\n| ms | p50 | p95 | p99 | of |\n|---|---:|---:|---:|---:|");
        line(&spread("**end of speech → first audio, at the person**", &figures.latency_ms));
        for stage in &figures.stages {
            line(&spread(&stage.name, &stage.ms));
        }
        line(&spread("overlap → voice lowered by 6 dB", &figures.duck_ms));
        line(&spread("interruption → silence", &figures.stop_ms));
        line(&spread("jitter of arriving frames", &figures.jitter_ms));
        line("\n| | | |\n|---|---:|---:|");
        line(&share("pauses that were taken for the end (false cut-offs)", figures.cut_offs));
        line(&share("answers later than 1.5 s", figures.late));
        line(&share("utterances without an answer", figures.unanswered));
        line(&share("false interruptions", figures.false_interruptions));
        for (kind, of_kind) in &figures.false_interruptions_by_kind {
            line(&share(&format!("– by {kind}"), *of_kind));
        }
        line(&share("of what meant nothing, words were made", figures.taken_for_words));
        line(&share("missed interruptions", figures.missed_interruptions));
        line(&share("voices over which the agent's was not lowered", figures.not_ducked));
        for (condition, errors) in &figures.words_by_condition {
            let (wrong, said) = (errors.wrong, errors.said);
            line(&share(&format!("words understood wrongly, {condition}"), Share { count: wrong, of: said }));
        }
        let all = figures.words;
        line(&share("words understood wrongly (WER)", Share { count: all.wrong, of: all.said }));
        if !figures.parts.is_empty() {
            line("\n| part | CPU s per minute | MB before | MB at most |\n|---|---:|---:|---:|");
            for part in &figures.parts {
                let [before, most] = [part.resident_mb_before, part.resident_mb_most].map(|mb| amount(mb, ""));
                line(&format!("| {} | {:.1} | {before} | {most} |", part.name, part.cpu_seconds_per_minute));
            }
        }
        if !self.sweep.is_empty() {
            line("\n| settings | p50 ms | p95 ms | false cut-offs | on the front |\n|---|---:|---:|---:|---|");
            for point in &self.sweep {
                let front = if point.is_on_front { "yes" } else { "" };
                let (p50, p95) = (amount(point.latency_ms.p50, ""), amount(point.latency_ms.p95, ""));
                let cut_offs = amount(point.cut_offs.percent(), "%");
                line(&format!("| {} | {p50} | {p95} | {cut_offs} | {front} |", point.settings));
            }
        }
        for note in self.notes() {
            line(&format!("\n{note}"));
        }
        text
    }

    /// What the figures do not say by themselves.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |count: usize, text: &str| {
            if count > 0 {
                notes.push(format!("{count} {text}"));
            }
        };
        note(self.figures.cut_offs_elsewhere, "time(s) somebody was cut off where there was no pause of 300 ms.");
        note(self.figures.overlaps_not_played, "overlap(s) found no answer that was long enough.");
        let failed = self.answers.iter().filter_map(|answer| answer.failed.as_ref().map(|why| (answer, why)));
        let mut reasons = String::new();
        for (answer, why) in failed {
            let _ = write!(reasons, "{:?}: {why}. ", answer.said);
        }
        if !reasons.is_empty() {
            notes.push(format!("Without an answer: {}", reasons.trim_end()));
        }
        notes
    }
}

/// A figure as a person reads it; a dash where there is none.
pub(super) fn amount(value: f64, unit: &str) -> String {
    let separator = if unit.is_empty() { "" } else { " " };
    if value.is_finite() { format!("{value:.0}{separator}{unit}") } else { "–".to_owned() }
}

fn spread(name: &str, spread: &Spread) -> String {
    let [p50, p95, p99] = [spread.p50, spread.p95, spread.p99].map(|value| match value {
        // Below ten, parts of a millisecond count.
        value if value.is_finite() && value < 10.0 => format!("{value:.1}"),
        value => amount(value, ""),
    });
    format!("| {name} | {p50} | {p95} | {p99} | {} |", spread.of)
}

fn share(name: &str, share: Share) -> String {
    format!("| {name} | {} of {} | {} |", share.count, share.of, amount(share.percent(), "%"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::voice::figures::tests::scenes;
    use crate::bench::voice::scene::Scenes;

    pub(in crate::bench::voice) fn report(scenes: Scenes, sweep: Vec<Point>) -> Report {
        let figures = Figures::of(&scenes, Vec::new());
        Report {
            measured_at: "2026-11-14 16:22".to_owned(),
            machine: "a <machine> & its cores".to_owned(),
            version: "0",
            seed: 1,
            rounds: 1,
            minutes: 2.0,
            aims: figures.aims(),
            figures,
            answers: scenes.answers,
            overlaps: scenes.overlaps,
            sweep,
        }
    }

    #[test]
    fn the_table_has_the_aims_beside_the_figures() {
        let text = report(scenes(), Vec::new()).markdown();
        assert!(text.contains("on a <machine> & its cores"), "{text}");
        assert!(text.contains("| false cut-offs | 17 % | 5 % | missed by 12 % |"), "{text}");
        assert!(text.contains("| end of speech → audio, p50 | 800 ms | 900 ms | met |"), "{text}");
        assert!(text.contains("| – by noise | 1 of 1 | 100 % |"), "{text}");
        assert!(text.contains("1 time(s) somebody was cut off"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_null() {
        let report = report(Scenes::default(), Vec::new());
        let text = report.markdown();
        assert!(text.contains("| – | 250 ms | not measured |") && !text.contains("NaN"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["figures"]["latency_ms"]["p50"].is_null());
        assert_eq!(json["figures"]["latency_ms"]["of"], 0);
    }
}
