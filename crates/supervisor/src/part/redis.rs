use std::{fs, path::PathBuf, time::Duration};

use super::Users;
use crate::{Component, Error, Launch, Layout, Port, Probe};

/// Redis (or Valkey under its name), keeping an append-only file.
#[derive(Debug, Clone)]
pub struct Redis {
    pub port: u16,
    pub state: PathBuf,
    /// Without it everybody on this machine may do everything.
    pub users: Option<Users>,
    pub log: PathBuf,
}

impl Redis {
    pub fn component(self, layout: &Layout) -> Result<Component, Error> {
        let program = layout.program("redis-server", "set REDIS_URL to a Redis or Valkey server")?;
        fs::create_dir_all(&self.state).map_err(Error::file(&self.state))?;
        let port = self.port.to_string();
        let url = format!("redis://127.0.0.1:{port}");
        let mut launch = Launch::new("redis", program, self.log);
        let mut probe = url.clone();
        if let Some(users) = self.users {
            let config = self.state.with_extension("conf");
            probe = users.write(&config, &url)?;
            launch = launch.arguments([config]);
        }
        let launch = launch
            .arguments(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "yes", "--dir"])
            .arguments([self.state]);
        Ok(Component {
            launch,
            ports: vec![Port::Tcp(self.port)],
            instead: format!("set REDIS_URL={url} to use it"),
            probe: Probe::Redis(probe),
            ready_within: Duration::from_secs(30),
            url,
        })
    }
}
