//! The findings as a person reads them, and as a program does.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::doctor::{Finding, Status};

/// Of the JSON object; grows only when something that was there changes its meaning or goes.
const SHAPE: u32 = 1;

/// Everything that was found out, in the order of the sections.
#[derive(Debug)]
pub struct Report {
    findings: Vec<Finding>,
    is_up: bool,
    took: Duration,
}

impl Report {
    pub fn new(mut findings: Vec<Finding>, is_up: bool, took: Duration) -> Self {
        // Within a section the order in which the check tells it is the one to read it in.
        findings.sort_by_key(|finding| finding.section);
        Self { findings, is_up, took }
    }

    /// Whether nothing must be mended.
    pub fn is_well(&self) -> bool {
        self.count(Status::Problem) == 0
    }

    pub fn to_json(&self) -> Value {
        json!({
            "shape": SHAPE,
            "version": env!("CARGO_PKG_VERSION"),
            "well": self.is_well(),
            "up": self.is_up,
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "ok": self.count(Status::Ok),
            "skipped": self.count(Status::Skipped),
            "warnings": self.count(Status::Warning),
            "problems": self.count(Status::Problem),
            "findings": self.findings,
        })
    }

    fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    fn summary(&self) -> String {
        let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let looked = counted(self.findings.len(), "thing", "things");
        let took = format!("{looked} looked at in {:.1} s", self.took.as_secs_f64());
        let problems = counted(self.count(Status::Problem), "problem", "problems");
        let warnings = counted(self.count(Status::Warning), "warning", "warnings");
        match (self.count(Status::Problem), self.count(Status::Warning)) {
            (0, 0) => format!("All is well: {took}."),
            (0, _) => format!("Nothing must be mended, {warnings}: {took}."),
            (_, 0) => format!("{problems} to mend: {took}."),
            _ => format!("{problems} to mend, {warnings}: {took}."),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for about_one in self.findings.chunk_by(|one, next| one.section == next.section) {
            writeln!(f, "{}", about_one[0].section.title())?;
            let width = about_one.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
            for finding in about_one {
                let mark = match finding.status {
                    Status::Ok => "ok",
                    Status::Skipped => "-",
                    Status::Warning => "warning",
                    Status::Problem => "PROBLEM",
                };
                writeln!(f, "  {mark:8} {:width$}  {}", finding.subject, finding.found)?;
                if let Some(remedy) = &finding.remedy {
                    writeln!(f, "  {:8} {:width$}  → {remedy}", "", "")?;
                }
            }
        }
        write!(f, "\n{}", self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Section::{Nats, Ports};

    fn report(findings: Vec<Finding>) -> Report {
        Report::new(findings, false, Duration::from_millis(1500))
    }

    #[test]
    fn only_problems_make_it_unwell() {
        let cases = [
            (vec![Nats.ok("a", "b")], true, "All is well: 1 thing looked at in 1.5 s."),
            (
                vec![Nats.warning("a", "b", "c"), Nats.skipped("a", "b")],
                true,
                "Nothing must be mended, 1 warning: 2 things looked at in 1.5 s.",
            ),
            (vec![Nats.problem("a", "b", "c")], false, "1 problem to mend: 1 thing looked at in 1.5 s."),
            (
                vec![Nats.problem("a", "b", "c"), Nats.problem("a", "b", "c"), Nats.warning("a", "b", "c")],
                false,
                "2 problems to mend, 1 warning: 3 things looked at in 1.5 s.",
            ),
        ];
        for (findings, well, summary) in cases {
            let report = report(findings);
            assert_eq!((report.is_well(), report.summary().as_str()), (well, summary));
        }
    }

    #[test]
    fn a_person_reads_it_by_section_with_what_to_do_below() {
        let findings = vec![Nats.problem("server", "does not answer", "start it"), Ports.ok("port 4222", "free")];
        let text = report(findings).to_string();
        let expected = "Ports\n  ok       port 4222  free\nNATS\n  PROBLEM  server  does not answer\n                   → start it\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn a_program_finds_every_field_in_every_finding() {
        let value = report(vec![Nats.ok("server", "answers").with("round_trip_ms", 0.2)]).to_json();
        let finding = json!({
            "section": "nats", "status": "ok", "subject": "server", "found": "answers", "remedy": null,
            "figures": { "round_trip_ms": 0.2 },
        });
        assert_eq!(value["findings"][0], finding);
        assert_eq!((&value["shape"], &value["well"], &value["problems"]), (&json!(1), &json!(true), &json!(0)));
    }
}
