//! Reading: defaults < file < environment, and every problem kept until the end.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;

use crate::obsolete::OBSOLETE;
use crate::secret::HIDDEN;
use crate::server_url::redact;
use crate::{ALL, Error, Problem, Row, Setting, Shown, Source};

/// The file that is read when `AETHER_CONFIG` names no other.
const FILE: &str = "aether.toml";

/// Reads `T` from `aether.toml` (or the file that `AETHER_CONFIG` names) and the process's environment, for a process that takes
/// nothing else: who asks it for help must not start it.
pub fn load<T>(read: impl FnOnce(&mut Loader<'_>) -> Result<T, Invalid>) -> Result<T, Error> {
    let mut loader = Loader::from_process()?;
    if let Some(argument) = std::env::args_os().nth(1) {
        loader.problem(Problem::Argument { argument: argument.to_string_lossy().into_owned() });
    }
    loader.load(read)
}

/// Proof that a problem was recorded. A block that can't be made returns it; only the [`Loader`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Invalid(());

type Environment<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// Reads settings and collects what is wrong with them.
pub struct Loader<'a> {
    environment: Environment<'a>,
    /// Leaves of `aether.toml` by dotted key.
    file: BTreeMap<String, Value>,
    problems: Vec<Problem>,
    rows: Vec<Row>,
}

impl<'a> Loader<'a> {
    /// A loader over any environment and the text of any `aether.toml`.
    pub fn new(environment: impl Fn(&str) -> Option<String> + 'a, toml: Option<&str>) -> Self {
        let mut loader =
            Self { environment: Box::new(environment), file: BTreeMap::new(), problems: Vec::new(), rows: Vec::new() };
        loader.read_file(toml.unwrap_or_default());
        loader.refuse_obsolete();
        loader
    }

    /// A loader over the process's environment and the settings file, if there is one.
    pub fn from_process() -> Result<Loader<'static>, Error> {
        let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let named = environment("AETHER_CONFIG").filter(|path| !path.is_empty());
        let toml = match read_settings_file(named.as_deref()) {
            Ok(toml) => toml,
            Err(problem) => return Err(Error::new(vec![problem])),
        };
        Ok(Loader::new(environment, toml.as_deref()))
    }

    /// Runs `read`, and fails with everything that was wrong, also with what `read` never looked at.
    pub fn load<T>(mut self, read: impl FnOnce(&mut Loader<'a>) -> Result<T, Invalid>) -> Result<T, Error> {
        match read(&mut self) {
            Ok(settings) if self.problems.is_empty() => Ok(settings),
            _ => Err(Error::new(self.problems)),
        }
    }

    /// A setting that must have a value, its default included.
    pub fn required<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Invalid> {
        self.required_or(setting, setting.default, parse)
    }

    /// [`Loader::required`] with a default that depends on another setting.
    pub fn required_or<T>(
        &mut self,
        setting: &'static Setting,
        default: Option<&'static str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Invalid> {
        let written = self.written(setting)?;
        let (name, source, text) = match (written, default) {
            (Some(written), _) => (written.name, written.source, written.text),
            (None, Some(default)) => (setting.key.to_owned(), Source::Default, default.to_owned()),
            (None, None) => {
                self.remember(setting, None, Source::Default);
                return Err(self.problem(Problem::Missing { env: setting.env[0], about: setting.about }));
            }
        };
        if text.is_empty() {
            return Err(self.problem(Problem::Empty { name, expected: setting.about, default }));
        }
        self.parsed(setting, name, source, &text, parse)
    }

    /// A setting that may be absent. Written as an empty text it is absent too, so that the environment can take back what
    /// the file says.
    pub fn optional<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Invalid> {
        match self.written(setting)? {
            Some(written) if !written.text.is_empty() => {
                self.parsed(setting, written.name, written.source, &written.text, parse).map(Some)
            }
            written => {
                let source = written.map_or(Source::Default, |written| written.source);
                self.remember(setting, None, source);
                Ok(None)
            }
        }
    }

    pub(crate) fn into_rows(self) -> (Vec<Row>, Vec<Problem>) {
        (self.rows, self.problems)
    }

    fn parsed<T>(
        &mut self,
        setting: &'static Setting,
        name: String,
        source: Source,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Invalid> {
        let shown = shown(setting, text);
        self.remember(setting, Some(shown.clone()), source);
        parse(text).map_err(|expected| self.problem(Problem::Malformed { name, value: shown, expected }))
    }

    /// What is written for `setting`, with surrounding blanks removed.
    fn written(&mut self, setting: &'static Setting) -> Result<Option<Written>, Invalid> {
        let mut found: Option<(&'static str, String)> = None;
        for &name in setting.env {
            let Some(text) = (self.environment)(name).map(|text| text.trim().to_owned()) else { continue };
            match &found {
                Some((first, other)) if *other != text => {
                    return Err(self.problem(Problem::Disagreement { first, second: name }));
                }
                Some(_) => {}
                None => found = Some((name, text)),
            }
        }
        if let Some((name, text)) = found {
            return Ok(Some(Written { name: name.to_owned(), source: Source::Environment, text }));
        }
        let Some(value) = self.file.get(setting.key) else { return Ok(None) };
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            Value::Array(_) | Value::Table(_) | Value::Datetime(_) => {
                let value = value.type_str().to_owned();
                let name = setting.key.to_owned();
                return Err(self.problem(Problem::Malformed {
                    name,
                    value,
                    expected: "one text or number".to_owned(),
                }));
            }
        };
        Ok(Some(Written { name: setting.key.to_owned(), source: Source::File, text }))
    }

    fn problem(&mut self, problem: Problem) -> Invalid {
        // Two blocks may share a setting; its problem is one problem.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        Invalid(())
    }

    fn remember(&mut self, setting: &'static Setting, value: Option<String>, source: Source) {
        if self.rows.iter().all(|row| row.name != setting.key) {
            self.rows.push(Row { name: setting.key, env: setting.env[0], value, source, about: setting.about });
        }
    }

    fn read_file(&mut self, toml: &str) {
        match toml.parse::<toml::Table>() {
            Ok(table) => flatten("", table, &mut self.file),
            Err(error) => {
                // The error's own text quotes the line, which may hold a secret.
                let before = error.span().and_then(|span| toml.get(..span.start)).unwrap_or_default();
                let line = 1 + before.matches('\n').count();
                self.problem(Problem::NotToml { line, message: error.message().replace('\n', ", ") });
            }
        }
        let unknown: Vec<_> = self.file.keys().filter(|key| !is_known(key)).cloned().collect();
        for key in unknown {
            let nearest = nearest(&key);
            let key = key.escape_debug().to_string();
            self.problem(Problem::UnknownKey { key, nearest });
        }
    }

    fn refuse_obsolete(&mut self) {
        for &(name, reason) in OBSOLETE {
            if (self.environment)(name).is_some() {
                self.problem(Problem::Obsolete { name, reason });
            }
        }
    }
}

struct Written {
    name: String,
    source: Source,
    text: String,
}

fn shown(setting: &Setting, text: &str) -> String {
    match setting.shown {
        Shown::All => {
            text.chars().map(|character| if character.is_control() { '\u{FFFD}' } else { character }).collect()
        }
        Shown::Url => redact(text),
        Shown::Nothing => HIDDEN.to_owned(),
    }
}

fn flatten(prefix: &str, table: toml::Table, leaves: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            // A known key with a table below it is a wrong value, not a family of unknown keys.
            Value::Table(table) if !is_known(&key) => flatten(&key, table, leaves),
            value => {
                leaves.insert(key, value);
            }
        }
    }
}

fn settings() -> impl Iterator<Item = &'static Setting> {
    ALL.iter().copied().flatten().copied()
}

fn is_known(key: &str) -> bool {
    settings().any(|setting| setting.key == key)
}

/// The known key that was probably meant: the one whose environment name was written, or the one spelled most alike.
fn nearest(key: &str) -> Option<&'static str> {
    let by_env = settings().find(|setting| setting.env.iter().any(|env| env.eq_ignore_ascii_case(key)));
    let by_spelling = || {
        settings()
            .map(|setting| (strsim::normalized_damerau_levenshtein(setting.key, key), setting))
            .max_by(|(left, _), (right, _)| left.total_cmp(right))
            .filter(|(likeness, _)| *likeness >= 0.5)
            .map(|(_, setting)| setting)
    };
    by_env.or_else(by_spelling).map(|setting| setting.key)
}

fn read_settings_file(named: Option<&str>) -> Result<Option<String>, Problem> {
    let path = Path::new(named.unwrap_or(FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => {
            Err(Problem::Unreadable { path: path.display().to_string(), reason: error.to_string().to_lowercase() })
        }
    }
}
