use std::{collections::BTreeMap, env, path::PathBuf};

use aether_settings::{Invalid, Loader, Problem, Row, Shown, describe};
use aether_supervisor::Layout;

use crate::{Error, running::Running};

/// What every command works on: the state folder, and the settings with what a running `aether up` gave its services
/// filled in where this process's own environment says nothing. So `aether token` and `aether talk` reach the parts that
/// run without being told where they are.
#[derive(Debug, Clone)]
pub struct Context {
    layout: Layout,
    given: BTreeMap<String, String>,
}

impl Context {
    pub fn find() -> Result<Self, Error> {
        let layout = Layout::find()?;
        // Children run in the same folder, but a relative path is a surprise waiting to happen.
        let home = std::path::absolute(layout.home()).map_err(Error::io("the working folder is gone"))?;
        let layout = Layout::new(home);
        let given = Running::environment(&layout)?.unwrap_or_default();
        Ok(Self { layout, given })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The same context for what is about to be started with these variables.
    #[must_use]
    pub fn with(&self, given: BTreeMap<String, String>) -> Self {
        Self { layout: self.layout.clone(), given }
    }

    /// The variable of this process, or else the one that `aether up` gave to its services.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.own(name).or_else(|| self.given.get(name).cloned())
    }

    /// Whether an `aether up` runs from this state folder.
    pub fn is_up(&self) -> bool {
        !self.given.is_empty()
    }

    /// True where only `aether up` says what the variable is.
    pub fn is_given(&self, name: &str) -> bool {
        self.own(name).is_none() && self.given.contains_key(name)
    }

    /// Reads settings as a service would that `aether up` starts from here.
    pub fn settings<T>(&self, read: impl FnOnce(&mut Loader<'_>) -> Result<T, Invalid>) -> Result<T, Error> {
        let toml = self.toml()?;
        let loader = Loader::new(|name| self.variable(name), toml.as_deref());
        loader.load(|loader| read(loader)).map_err(Error::Settings)
    }

    /// Every setting with its source, and everything that is wrong.
    pub fn describe(&self) -> Result<(Vec<Row>, Vec<Problem>), Error> {
        let toml = self.toml()?;
        Ok(describe(Loader::new(|name| self.variable(name), toml.as_deref())))
    }

    /// Every text that must not be shown, wherever it is written: whole values, and the passwords and queries in URLs.
    pub fn secrets(&self) -> Vec<String> {
        let toml = self.toml().ok().flatten().and_then(|text| text.parse::<toml::Table>().ok());
        let in_file = |key: &str| {
            let mut value = toml.as_ref().and_then(|table| table.get(key.split('.').next()?));
            for part in key.split('.').skip(1) {
                value = value?.get(part);
            }
            value?.as_str().map(str::to_owned)
        };
        let settings = aether_settings::ALL.iter().copied().flatten().filter(|setting| setting.shown != Shown::All);
        let written = settings.flat_map(|setting| {
            let variables = setting.env.iter().flat_map(|name| [self.own(name), self.given.get(*name).cloned()]);
            let values: Vec<_> = variables.flatten().chain(in_file(setting.key)).collect();
            values.into_iter().flat_map(|value| match setting.shown {
                Shown::Url => in_url(&value),
                _ => in_url(&value).into_iter().chain([value.clone()]).collect(),
            })
        });
        let known = aether_supervisor::Secrets::load(&self.layout).ok().flatten().map(|secrets| secrets.all());
        let others = ["AETHER_API_KEY"].into_iter().filter_map(|name| self.own(name));
        written.chain(known.into_iter().flatten()).chain(others).filter(|secret| !secret.is_empty()).collect()
    }

    /// The variable of this process alone.
    pub fn own(&self, name: &str) -> Option<String> {
        env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn toml(&self) -> Result<Option<String>, Error> {
        let named = self.own("AETHER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = named.clone().unwrap_or_else(|| PathBuf::from("aether.toml"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
            Err(error) => Err(Error::io(format!("the settings file {} can't be read", path.display()))(error)),
        }
    }
}

/// What of a URL must not be shown, as it is written and as it is meant.
fn in_url(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let password = rest.rsplit_once('@').map(|(user, _)| user.split_once(':').map_or(user, |(_, password)| password));
    let query = rest.split_once('?').map(|(_, query)| query);
    let found = password.into_iter().chain(query);
    found
        .flat_map(|text| [text.to_owned(), percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()])
        .collect()
}
