//! The process `aether-notifier`.

use std::process::ExitCode;

use aether_notifier::{Options, Parts, Service, Settings};
use aether_telemetry::{fatal, init, shutdown_token};

#[tokio::main]
async fn main() -> ExitCode {
    run().await.map_or_else(|error| fatal("aether-notifier", &*error), |()| ExitCode::SUCCESS)
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = aether_settings::load(Settings::read)?;
    let _telemetry = init(&settings.telemetry, "notifier", env!("CARGO_PKG_VERSION"))?;
    let shutdown = shutdown_token();
    let parts = Parts::connect(&settings).await?;
    Ok(Service::new(Options::default(), parts).run(shutdown).await?)
}
