//! What can be wrong with settings, said so that a person can mend it without reading code.

use std::fmt;

/// Everything that is wrong, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    problems: Vec<Problem>,
}

impl Error {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => write!(f, "a setting is wrong: {problem}"),
            problems => {
                write!(f, "{} settings are wrong:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// One thing that is wrong. `name` is what the person wrote: an environment variable or a key of `aether.toml`. `value` holds
/// only what may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    #[error("{name} is `{value}`, expected {expected}")]
    Malformed { name: String, value: String, expected: String },
    #[error("{name} is empty, expected {expected}; leave it out for the default{}", default.map(|text| format!(" `{text}`")).unwrap_or_default())]
    Empty { name: String, expected: &'static str, default: Option<&'static str> },
    #[error("{env} is not set, and there is no default: {about}; `aether up` sets it for what it starts")]
    Missing { env: &'static str, about: &'static str },
    #[error("{first} and {second} name the same setting with different values; set one of them")]
    Disagreement { first: &'static str, second: &'static str },
    #[error("{name} no longer means anything: {reason}; remove it")]
    Obsolete { name: &'static str, reason: &'static str },
    #[error("aether.toml has the unknown key `{key}`{}", nearest.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default())]
    UnknownKey { key: String, nearest: Option<&'static str> },
    #[error("aether.toml is not TOML, line {line}: {message}")]
    NotToml { line: usize, message: String },
    #[error(
        "the argument `{argument}` is not understood: a service has none, only environment variables and `aether.toml`; \
         `aether config` lists them"
    )]
    Argument { argument: String },
    #[error("the settings file {path} can't be read: {reason}")]
    Unreadable { path: String, reason: String },
}
