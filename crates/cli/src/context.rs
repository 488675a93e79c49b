use std::{collections::BTreeMap, env, path::PathBuf};

use aether_settings::{Invalid, Loader, Problem, Row, describe};
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
