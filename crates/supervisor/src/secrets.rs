use std::{collections::BTreeMap, fmt, fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use rand::{RngExt, distr::Alphanumeric};
use serde::{Deserialize, Serialize};

use crate::{Error, Layout};

/// Aether's services, and their owner.
const USERS: [&str; 7] = ["agent", "brain", "gateway", "notifier", "owner", "scheduler", "tts"];

/// What the parts that `aether up` starts are protected with: made once, kept in `run/secrets.json`, readable by its owner
/// only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub livekit_api_key: String,
    pub livekit_api_secret: String,
    /// Of the role that owns the tables.
    pub postgres_password: String,
    /// What the gateway's keys and page tokens are made with. Empty only in a file that an earlier version wrote.
    #[serde(default)]
    pub identity_secret: String,
    /// What the notifier's keys are made with. Empty as above.
    #[serde(default)]
    pub notifier_secret: String,
    /// With which each service logs in to the parts, by its name. Not all of them in a file that an earlier version wrote.
    #[serde(default)]
    services: BTreeMap<String, String>,
}

impl Secrets {
    pub fn random() -> Self {
        // LiveKit refuses secrets of fewer than 32 characters.
        Self {
            livekit_api_key: "aether".to_owned(),
            livekit_api_secret: word(43),
            postgres_password: word(32),
            identity_secret: word(43),
            notifier_secret: word(43),
            services: passwords(BTreeMap::new()),
        }
    }

    /// Reads the secrets of this state folder, or makes those that are missing.
    pub fn load_or_create(layout: &Layout) -> Result<Self, Error> {
        let path = layout.run("secrets.json");
        let secrets = match Self::read(&path)? {
            Some(secrets) if secrets.is_complete() => return Ok(secrets),
            Some(secrets) => {
                let or_new = |secret: String| if secret.is_empty() { word(43) } else { secret };
                let identity_secret = or_new(secrets.identity_secret);
                let notifier_secret = or_new(secrets.notifier_secret);
                let services = passwords(secrets.services);
                Self { identity_secret, notifier_secret, services, ..secrets }
            }
            None => Self::random(),
        };
        let text = serde_json::to_string_pretty(&secrets)
            .map_err(|error| Error::Prepare { what: "the secrets".into(), why: error.to_string() })?;
        write_private(&path, &text)?;
        Ok(secrets)
    }

    /// The secrets of this state folder, if `aether up` ever ran there.
    pub fn load(layout: &Layout) -> Result<Option<Self>, Error> {
        Self::read(&layout.run("secrets.json"))
    }

    /// Each text that must not be shown.
    pub fn all(self) -> Vec<String> {
        let Self {
            livekit_api_key: _,
            livekit_api_secret,
            postgres_password,
            identity_secret,
            notifier_secret,
            services,
        } = self;
        let own = [livekit_api_secret, postgres_password, identity_secret, notifier_secret];
        own.into_iter().chain(services.into_values()).collect()
    }

    /// With which this service logs in to the parts.
    pub fn of_service(&self, name: &str) -> &str {
        self.services.get(name).map_or("", String::as_str)
    }

    fn is_complete(&self) -> bool {
        !self.identity_secret.is_empty()
            && !self.notifier_secret.is_empty()
            && USERS.iter().all(|name| self.services.contains_key(*name))
    }

    fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(path)(error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|_| Error::Prepare {
            what: format!("the secrets in {}", path.display()),
            why: "the file is not what was written there; delete the state folder with scripts/run --reset".into(),
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("livekit_api_key", &self.livekit_api_key).finish_non_exhaustive()
    }
}

/// Writes a file that only its owner can read, replacing it in one step.
pub fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".part");
    let new = std::path::PathBuf::from(new);
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&new);
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().map_err(Error::file(path))
}

/// Those that there are, and new ones for the other services.
fn passwords(mut known: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for name in USERS {
        known.entry(name.to_owned()).or_insert_with(|| word(32));
    }
    known
}

fn word(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_their_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let first = Secrets::load_or_create(&layout).unwrap();
        assert!(first.livekit_api_secret.len() >= 32);
        let mode = fs::metadata(layout.run("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = Secrets::load_or_create(&layout).unwrap();
        assert_eq!(first.livekit_api_secret, second.livekit_api_secret);
        assert_eq!(first.identity_secret, second.identity_secret);
        assert!(!format!("{first:?}").contains(&first.livekit_api_secret));
    }

    #[test]
    fn a_file_of_an_earlier_version_keeps_its_passwords_and_gains_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let old = r#"{"livekit_api_key":"aether","livekit_api_secret":"a","postgres_password":"b","postgres_service_password":"c"}"#;
        write_private(&layout.run("secrets.json"), old).unwrap();
        let first = Secrets::load_or_create(&layout).unwrap();
        assert_eq!(first.postgres_password, "b");
        assert!(USERS.iter().all(|name| first.of_service(name).len() >= 32));
        assert!(first.identity_secret.len() >= 32 && first.notifier_secret.len() >= 32);
        let second = Secrets::load_or_create(&layout).unwrap();
        assert_eq!(second.identity_secret, first.identity_secret);
        assert_eq!(second.notifier_secret, first.notifier_secret);
        assert_eq!(second.of_service("brain"), first.of_service("brain"));
    }
}
