use std::{path::Path, time::Duration};

use aether_supervisor::{Component, Error, Launch, Port, Probe};

use crate::server::{Server, layout, port};

/// Jaeger with its traces in memory.
#[derive(Debug)]
pub struct Jaeger {
    /// Its URL is that of the query API.
    server: Server,
    /// Where traces are sent: `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_url: String,
}

/// A Jaeger that has seen nothing yet. `scripts/setup --tests` builds the program.
pub async fn jaeger() -> Jaeger {
    let otlp = port();
    let server = Server::start(|dir| prepare(dir, otlp)).await;
    Jaeger { server, otlp_url: format!("http://127.0.0.1:{otlp}") }
}

fn prepare(dir: &Path, otlp: u16) -> Result<Component, Error> {
    let program = layout().program("jaeger", "run scripts/setup --tests")?;
    let (query, admin) = (port(), port());
    // The last four are doors that nobody uses here, on ports that collide with nothing.
    let doors = [
        ("collector.otlp.grpc", otlp),
        ("query.http-server", query),
        ("admin.http", admin),
        ("query.grpc-server", port()),
        ("collector.otlp.http", port()),
        ("collector.grpc-server", port()),
        ("collector.http-server", port()),
    ];
    let doors = doors.map(|(door, port)| format!("--{door}.host-port=127.0.0.1:{port}"));
    let launch = Launch::new("jaeger", program, dir.join("jaeger.log")).arguments(doors);
    let url = format!("http://127.0.0.1:{query}");
    Ok(Component {
        launch,
        ports: vec![Port::Tcp(otlp), Port::Tcp(query), Port::Tcp(admin)],
        instead: String::new(),
        probe: Probe::Http(format!("{url}/api/services")),
        ready_within: Duration::from_secs(30),
        url,
    })
}

impl std::ops::Deref for Jaeger {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}
