//! One setting: where it may be written, and how much of it may be shown.

use serde::Serialize;

/// A setting, declared once as a `const` in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Dotted key in `aether.toml`.
    pub key: &'static str,
    /// Environment variables, the usual one first.
    pub env: &'static [&'static str],
    /// What holds when it is written nowhere; `None` where there is nothing sensible to assume.
    pub default: Option<&'static str>,
    pub shown: Shown,
    /// For a person: what it is, in a few words.
    pub about: &'static str,
}

/// How much of a value an error or `aether config` may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    /// All but password and query.
    Url,
    Nothing,
}

/// Where a value came from; a later one beats an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Default,
    File,
    Environment,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }
}

/// One line of `aether config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub env: &'static str,
    /// What is in force, as far as it may be shown; `None` when nothing is.
    pub value: Option<String>,
    pub source: Source,
    pub about: &'static str,
}
