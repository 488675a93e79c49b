//! What `aether-brain` reads at its start.

use aether_settings::{
    BrainSettings, HomeSettings, HttpSettings, Invalid, LlmSettings, Loader, NatsSettings, PostgresSettings,
    TelemetrySettings,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub nats: NatsSettings,
    pub postgres: PostgresSettings,
    pub llm: LlmSettings,
    pub brain: BrainSettings,
    pub home: HomeSettings,
    pub http: HttpSettings,
    pub telemetry: TelemetrySettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        // All are read before the first `?`, so that every problem is reported at once.
        let nats = NatsSettings::read(loader);
        let postgres = PostgresSettings::read(loader);
        let llm = LlmSettings::read(loader);
        let brain = BrainSettings::read(loader);
        let home = HomeSettings::read(loader);
        let http = HttpSettings::brain(loader);
        let telemetry = TelemetrySettings::read(loader);
        Ok(Self {
            nats: nats?,
            postgres: postgres?,
            llm: llm?,
            brain: brain?,
            home: home?,
            http: http?,
            telemetry: telemetry?,
        })
    }
}
