use std::{path::PathBuf, time::Duration};

use super::Users;
use crate::{Component, Error, Launch, Layout, Port, Probe};

/// NATS with JetStream.
#[derive(Debug, Clone)]
pub struct Nats {
    pub port: u16,
    pub state: PathBuf,
    /// Without it everybody on this machine may do everything.
    pub users: Option<Users>,
    pub log: PathBuf,
}

impl Nats {
    pub fn component(self, layout: &Layout) -> Result<Component, Error> {
        let program = layout.program("nats-server", "set NATS_URL to a NATS server (2.10 or newer, with JetStream)")?;
        let port = self.port.to_string();
        let url = format!("nats://127.0.0.1:{port}");
        let mut launch = Launch::new("nats", program, self.log)
            .arguments(["--addr", "127.0.0.1", "--port", &port, "--jetstream", "--store_dir"])
            .arguments([&self.state]);
        let mut probe = url.clone();
        if let Some(users) = self.users {
            let config = self.state.with_extension("conf");
            probe = users.write(&config, &url)?;
            launch = launch.arguments(["--config".into(), config]);
        }
        Ok(Component {
            launch,
            ports: vec![Port::Tcp(self.port)],
            instead: format!("set NATS_URL={url} to use it"),
            probe: Probe::Nats(probe),
            ready_within: Duration::from_secs(20),
            url,
        })
    }
}
