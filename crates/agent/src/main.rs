//! The agent's process.

use std::process::ExitCode;

use aether_agent::{Error, Options, Parts, Service, Settings};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    // The first provider installed stays; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = match aether_settings::load(Settings::read) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("aether-agent: {error}");
            return ExitCode::FAILURE;
        }
    };
    let _telemetry = match aether_telemetry::init(&settings.telemetry, "agent", env!("CARGO_PKG_VERSION")) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("aether-agent: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the agent has stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings) -> Result<(), Error> {
    let service = Service::new(Options::new(settings)?, Parts::load(settings).await?);
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            aether_telemetry::shutdown_signal().await;
            shutdown.cancel();
        }
    });
    service.run(shutdown).await
}
