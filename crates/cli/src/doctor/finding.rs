//! What came of looking at one thing.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a finding is about; the report is ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    Setup,
    Disk,
    Ports,
    Models,
    Hardware,
    Nats,
    Postgres,
    Redis,
    Livekit,
    Network,
    LanguageModel,
    Services,
    Clock,
    Speed,
    Turn,
}

/// How it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// Could not be looked at, and that is nobody's mistake.
    Skipped,
    /// Works, but not as somebody may expect.
    Warning,
    /// Must be mended.
    Problem,
}

/// One line of the report: what was looked at, what was found and, where it is not well, what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub section: Section,
    pub status: Status,
    pub subject: String,
    pub found: String,
    pub remedy: Option<String>,
    /// What was measured, for programs; the unit is in the name.
    pub figures: BTreeMap<&'static str, f64>,
}

impl Section {
    /// As a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Setup => "Setup",
            Self::Disk => "Disk",
            Self::Ports => "Ports",
            Self::Models => "Models",
            Self::Hardware => "Hardware",
            Self::Nats => "NATS",
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
            Self::Livekit => "LiveKit",
            Self::Network => "Network",
            Self::LanguageModel => "Language model",
            Self::Services => "Services",
            Self::Clock => "Clock",
            Self::Speed => "Speed",
            Self::Turn => "A spoken turn",
        }
    }

    pub fn ok(self, subject: impl AsRef<str>, found: impl AsRef<str>) -> Finding {
        self.finding(Status::Ok, subject.as_ref(), found.as_ref(), None)
    }

    pub fn skipped(self, subject: impl AsRef<str>, why: impl AsRef<str>) -> Finding {
        self.finding(Status::Skipped, subject.as_ref(), why.as_ref(), None)
    }

    pub fn warning(self, subject: impl AsRef<str>, found: impl AsRef<str>, remedy: impl AsRef<str>) -> Finding {
        self.finding(Status::Warning, subject.as_ref(), found.as_ref(), Some(remedy.as_ref()))
    }

    pub fn problem(self, subject: impl AsRef<str>, found: impl AsRef<str>, remedy: impl AsRef<str>) -> Finding {
        self.finding(Status::Problem, subject.as_ref(), found.as_ref(), Some(remedy.as_ref()))
    }

    fn finding(self, status: Status, subject: &str, found: &str, remedy: Option<&str>) -> Finding {
        Finding {
            section: self,
            status,
            subject: one_line(subject),
            found: one_line(found),
            remedy: remedy.map(one_line),
            figures: BTreeMap::new(),
        }
    }
}

impl Finding {
    /// Adds a measurement.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.insert(name, (value * 1000.0).round() / 1000.0);
        self
    }
}

/// What a server said may hold anything; a finding is one line.
fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split(|character: char| character.is_whitespace() || character.is_control()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_whatever_a_server_says() {
        let finding = Section::Nats.problem("version", "two\nlines \u{1b}[31m", "do\tthis");
        assert_eq!((finding.found.as_str(), finding.remedy.as_deref()), ("two lines [31m", Some("do this")));
    }

    #[test]
    fn measurements_are_rounded_to_what_can_be_read() {
        assert_eq!(Section::Speed.ok("a", "b").with("ms", 1.234_567).figures["ms"], 1.235);
    }
}
