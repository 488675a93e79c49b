//! What all checks look at: the settings in force, and what runs.

use std::collections::BTreeMap;

use aether_settings::{Problem, Row, Source};
use aether_supervisor::Secrets;

use crate::doctor::wire;
use crate::doctor::{Finding, Section};
use crate::running::{Running, RunningPart};
use crate::{Context, Error};

/// One look at this machine, shared by all checks.
#[derive(Debug)]
pub struct Surroundings {
    pub context: Context,
    pub running: Option<Running>,
    pub rows: Vec<Row>,
    pub problems: Vec<Problem>,
}

impl Surroundings {
    pub fn see(context: &Context) -> Result<Self, Error> {
        let running = Running::find(context.layout())?;
        let context = if context.is_up() { context.clone() } else { with_known_secrets(context)? };
        let (rows, problems) = context.describe()?;
        Ok(Self { context, running, rows, problems })
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The part of this name, if `aether up` started or used it.
    pub fn part(&self, name: &str) -> Option<&RunningPart> {
        self.running.as_ref()?.parts.iter().find(|part| part.report.name == name)
    }

    /// Whether a person wrote this setting, so that its part is used and not started.
    pub fn is_chosen(&self, key: &str) -> bool {
        let row = self.rows.iter().find(|row| row.name == key);
        row.is_some_and(|row| row.source != Source::Default && !self.context.is_given(row.env))
    }

    /// Whether `aether up` starts this part, rather than to use one that is there.
    pub fn starts(&self, part: &str, key: &str) -> bool {
        let is_ollama = self.rows.iter().any(|row| row.name == "llm.dialect" && row.value.as_deref() == Some("ollama"));
        !(self.is_chosen(key) || part == "llm" && is_ollama)
    }

    /// Nothing is asked of a server that `aether up` has yet to start; another's may be there meanwhile.
    pub fn nobody_to_ask(&self, section: Section, part: &str, key: &str) -> Option<Finding> {
        let is_ours = !self.is_up() && self.starts(part, key);
        is_ours.then(|| section.skipped("server", "`aether up` starts it, and then it can be asked"))
    }

    /// What a server's silence means.
    pub fn unanswered(&self, section: Section, key: &'static str, error: &wire::Error) -> Finding {
        let variable = self.rows.iter().find(|row| row.name == key).map_or(key, |row| row.env);
        match error {
            wire::Error::NotLookedInto(why) => section.skipped("server", *why),
            error if error.is_unreachable() && self.is_chosen(key) => section.problem(
                "server",
                error.to_string(),
                format!("start it, or correct {variable}; without it `aether up` starts one"),
            ),
            error if error.is_unreachable() => section.problem(
                "server",
                error.to_string(),
                format!("look at {} and at `aether status`", self.log(section)),
            ),
            error => {
                section.problem("server", error.to_string(), format!("check {variable}: address, user and password"))
            }
        }
    }

    fn log(&self, section: Section) -> String {
        let name = match section {
            Section::LanguageModel => "llm".to_owned(),
            section => section.title().to_lowercase(),
        };
        self.context.layout().log(&name).display().to_string()
    }
}

/// While nothing runs, the secrets of the last start are the ones that the next start uses.
fn with_known_secrets(context: &Context) -> Result<Context, Error> {
    let Some(secrets) = Secrets::load(context.layout())? else { return Ok(context.clone()) };
    let given = [
        ("LIVEKIT_API_KEY", secrets.livekit_api_key),
        ("LIVEKIT_API_SECRET", secrets.livekit_api_secret),
        ("AETHER_IDENTITY_SECRET", secrets.identity_secret),
        ("AETHER_NOTIFIER_SECRET", secrets.notifier_secret),
    ];
    let given: BTreeMap<_, _> = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(context.with(given.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
}
