use std::{path::PathBuf, time::Duration};

use crate::{Component, Error, Launch, Layout, Port, Probe, write_private};

/// NATS with JetStream.
#[derive(Debug, Clone)]
pub struct Nats {
    pub port: u16,
    pub state: PathBuf,
    /// Without it everybody on this machine may do everything.
    pub users: Option<NatsUsers>,
    pub log: PathBuf,
}

/// Who may do what.
#[derive(Clone)]
pub struct NatsUsers {
    /// The block `authorization` of the server's configuration; holds passwords.
    pub authorization: String,
    /// User and password of somebody who may ask whether JetStream answers.
    pub owner: (String, String),
}

impl std::fmt::Debug for NatsUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsUsers").finish_non_exhaustive()
    }
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
        if let Some(NatsUsers { authorization, owner: (user, password) }) = self.users {
            let config = self.state.with_extension("conf");
            write_private(&config, &authorization)?;
            launch = launch.arguments(["--config".into(), config]);
            probe = format!("nats://{user}:{password}@127.0.0.1:{port}");
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
