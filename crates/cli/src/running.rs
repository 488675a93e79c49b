use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
};

use aether_supervisor::{Layout, PartReport, write_private};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Error;

const REPORT: &str = "up.json";
const ENVIRONMENT: &str = "environment.json";
const LOCK: &str = "lock";

/// What a running `aether up` says about itself in `run/up.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// Seconds since 1970.
    pub started_at: u64,
    pub parts: Vec<RunningPart>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningPart {
    #[serde(flatten)]
    pub report: PartReport,
    /// Where it is, without passwords.
    pub url: String,
    /// Whether `aether up` started it, or found it in the settings.
    pub started: bool,
    /// Whether it answers `/health`.
    pub service: bool,
}

impl Running {
    /// The report of the `aether up` that runs from this state folder, if one does.
    pub fn find(layout: &Layout) -> Result<Option<Self>, Error> {
        if !is_locked(layout)? {
            return Ok(None);
        }
        read(&layout.run(REPORT))
    }

    /// What the owner's commands are told of the running `aether up`; empty while none runs.
    pub fn environment(layout: &Layout) -> Result<Option<BTreeMap<String, String>>, Error> {
        if !is_locked(layout)? {
            return Ok(None);
        }
        read(&layout.run(ENVIRONMENT))
    }

    pub fn write(&self, layout: &Layout) -> Result<(), Error> {
        write(&layout.run(REPORT), self)
    }

    /// Holds secrets, so only its owner can read it.
    pub fn write_environment(layout: &Layout, variables: &BTreeMap<String, String>) -> Result<(), Error> {
        write(&layout.run(ENVIRONMENT), variables)
    }
}

/// Proof that this process is the one that runs from the state folder. The kernel gives the lock back however this process
/// ends, so a stale file means nothing.
#[derive(Debug)]
pub struct Claim {
    layout: Layout,
    _lock: Flock<File>,
}

impl Claim {
    pub fn take(layout: &Layout) -> Result<Self, Error> {
        layout.create()?;
        let path = layout.run(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(Error::io(path.display().to_string()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let written = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
                written.map_err(Error::io(path.display().to_string()))?;
                Ok(Self { layout: layout.clone(), _lock: lock })
            }
            Err(_) => {
                let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
                Err(Error::AlreadyUp { pid })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for file in [REPORT, ENVIRONMENT] {
            let _ = fs::remove_file(self.layout.run(file));
        }
    }
}

fn is_locked(layout: &Layout) -> Result<bool, Error> {
    let path = layout.run(LOCK);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io(path.display().to_string())(error)),
    };
    Ok(Flock::lock(file, FlockArg::LockSharedNonblock).is_err())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::Input(format!("{} is not what `aether up` writes ({error}); start it again", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path.display().to_string())(error)),
    }
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Input(error.to_string()))?;
    Ok(write_private(path, &text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_is_claimed_once_and_found_while_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert!(Running::find(&layout).unwrap().is_none());

        let claim = Claim::take(&layout).unwrap();
        let running = Running { pid: 7, started_at: 1, parts: Vec::new() };
        running.write(&layout).unwrap();
        assert_eq!(Running::find(&layout).unwrap().unwrap().pid, 7);
        let error = Claim::take(&layout).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");

        drop(claim);
        assert!(Running::find(&layout).unwrap().is_none());
        Claim::take(&layout).unwrap();
    }

    #[test]
    fn what_a_crashed_run_left_behind_means_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        layout.create().unwrap();
        Running { pid: 7, started_at: 1, parts: Vec::new() }.write(&layout).unwrap();
        fs::write(layout.run(LOCK), "7").unwrap();
        assert!(Running::find(&layout).unwrap().is_none());
    }
}
