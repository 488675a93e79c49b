//! What `aether-notifier` reads at its start.

use aether_settings::{
    HttpSettings, Invalid, Loader, NatsSettings, NotifierSettings, PostgresSettings, RedisSettings, TelemetrySettings,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub nats: NatsSettings,
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub notifier: NotifierSettings,
    pub http: HttpSettings,
    pub telemetry: TelemetrySettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        // All are read before the first `?`, so that every problem is reported at once.
        let nats = NatsSettings::read(loader);
        let postgres = PostgresSettings::read(loader);
        let redis = RedisSettings::read(loader);
        let notifier = NotifierSettings::read(loader);
        let http = HttpSettings::notifier(loader);
        let telemetry = TelemetrySettings::read(loader);
        Ok(Self {
            nats: nats?,
            postgres: postgres?,
            redis: redis?,
            notifier: notifier?,
            http: http?,
            telemetry: telemetry?,
        })
    }
}
