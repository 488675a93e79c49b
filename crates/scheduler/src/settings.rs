//! What `aether-scheduler` reads at its start.

use aether_settings::{
    HttpSettings, Invalid, KernelSettings, Loader, NatsSettings, PostgresSettings, TelemetrySettings,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub nats: NatsSettings,
    pub postgres: PostgresSettings,
    pub kernel: KernelSettings,
    pub http: HttpSettings,
    pub telemetry: TelemetrySettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        // All are read before the first `?`, so that every problem is reported at once.
        let nats = NatsSettings::read(loader);
        let postgres = PostgresSettings::read(loader);
        let kernel = KernelSettings::read(loader);
        let http = HttpSettings::scheduler(loader);
        let telemetry = TelemetrySettings::read(loader);
        Ok(Self { nats: nats?, postgres: postgres?, kernel: kernel?, http: http?, telemetry: telemetry? })
    }
}
