use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// Where everything lies below the state folder (`.aether/` in the repository, or `AETHER_HOME`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    home: PathBuf,
}

impl Layout {
    /// The layout of an explicit state folder; nothing is created or checked.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    /// `AETHER_HOME` when it is set; else `.aether` beside the first `Cargo.lock` or existing `.aether`, going up from the
    /// package being tested, the working folder or the running program.
    pub fn find() -> Result<Self, Error> {
        if let Some(home) = env::var_os("AETHER_HOME").filter(|home| !home.is_empty()) {
            return Ok(Self::new(home));
        }
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let program = env::current_exe().ok();
        [manifest, env::current_dir().ok(), program]
            .into_iter()
            .flatten()
            .find_map(|start| {
                start
                    .ancestors()
                    .map(Path::to_owned)
                    .find(|dir| dir.join("Cargo.lock").is_file() || dir.join(".aether").is_dir())
            })
            .map(|root| Self::new(root.join(".aether")))
            .ok_or(Error::NoHome)
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Programs and libraries that did not come from this repository.
    pub fn parts(&self) -> PathBuf {
        self.home.join("parts")
    }

    /// A shared library loaded at run time, for example `libonnxruntime.so`.
    pub fn library(&self, file: &str) -> PathBuf {
        self.parts().join("lib").join(file)
    }

    pub fn models(&self) -> PathBuf {
        self.home.join("models")
    }

    pub fn model(&self, id: &str, file: &str) -> PathBuf {
        self.models().join(id).join(file)
    }

    /// What a part must find again after a restart.
    pub fn state(&self, name: &str) -> PathBuf {
        self.home.join("state").join(name)
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.home.join("logs").join(format!("{name}.log"))
    }

    /// What only matters while `aether up` runs: generated configurations, secrets, who runs where.
    pub fn run(&self, file: &str) -> PathBuf {
        self.home.join("run").join(file)
    }

    /// The program to run for `name`: from the parts folder, from unpacked Debian packages, or from the `PATH`.
    /// `instead` ends the error: what to do when the program can't be had.
    pub fn program(&self, name: &str, instead: &str) -> Result<PathBuf, Error> {
        let parts = self.parts();
        let own = [parts.join("bin"), parts.join("debian/usr/bin")];
        let path = env::var_os("PATH").unwrap_or_default();
        own.iter()
            .cloned()
            .chain(env::split_paths(&path))
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| Error::Missing {
                program: name.to_owned(),
                looked_in: own[0].display().to_string(),
                instead: instead.to_owned(),
            })
    }

    /// Creates the folders above, readable only by their owner where they hold secrets.
    pub fn create(&self) -> Result<(), Error> {
        for name in ["parts", "models", "state", "logs", "run"] {
            let dir = self.home.join(name);
            fs::create_dir_all(&dir).map_err(Error::file(dir))?;
        }
        Ok(())
    }
}
