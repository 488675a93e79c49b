use std::{path::PathBuf, time::Duration};

use crate::{Component, Launch, Port, Probe};

/// One of Aether's own services, a program beside the running one.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: &'static str,
    pub program: PathBuf,
    /// Where it answers `/livez`, `/readyz` and `/health`.
    pub port: u16,
    pub environment: Vec<(String, String)>,
    pub log: PathBuf,
}

impl Service {
    pub fn component(self) -> Component {
        let mut launch = Launch::new(self.name, self.program, self.log);
        for (name, value) in self.environment {
            launch = launch.environment(&name, value);
        }
        // Whisper's threads sleep while they wait for each other: spinning, they would keep the model and the voice off the
        // same cores.
        launch = launch.environment("OMP_WAIT_POLICY", "passive");
        // By default each of the many threads may open an arena of memory of its own: a megabyte more for each room.
        launch = launch.environment("MALLOC_ARENA_MAX", "4");
        // Long enough for an agent to say goodbye in its rooms.
        launch.stop_within = Duration::from_secs(20);
        let url = format!("http://127.0.0.1:{}", self.port);
        Component {
            launch,
            ports: vec![Port::Tcp(self.port)],
            instead: "stop an `aether up` that still runs elsewhere (`aether status` shows it)".to_owned(),
            // Alive is enough to be kept: a service that waits for a part becomes ready by itself.
            probe: Probe::Http(format!("{url}/livez")),
            ready_within: Duration::from_secs(60),
            url,
        }
    }
}
