use std::{fmt, path::Path};

use crate::{Error, write_private};

/// Who may do what at a server.
#[derive(Clone)]
pub struct Users {
    /// As the server's configuration says it; holds passwords.
    pub config: String,
    /// User and password of somebody who may ask whether the server is well.
    pub owner: (String, String),
}

impl Users {
    /// Writes the configuration, and returns the server's URL as the owner has it.
    pub(super) fn write(&self, config: &Path, url: &str) -> Result<String, Error> {
        write_private(config, &self.config)?;
        let (user, password) = &self.owner;
        Ok(url.replacen("://", &format!("://{user}:{password}@"), 1))
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}
