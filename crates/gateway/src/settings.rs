//! What `aether-gateway` reads at its start.

use aether_settings::{
    GatewaySettings, HomeSettings, HttpSettings, IdentitySettings, Invalid, LiveKitSettings, LlmSettings, Loader,
    NatsSettings, PostgresSettings, RedisSettings, TelemetrySettings,
};

/// Defaults < `aether.toml` < environment.
#[derive(Debug, Clone)]
pub struct Settings {
    pub gateway: GatewaySettings,
    pub home: HomeSettings,
    pub http: HttpSettings,
    pub identity: IdentitySettings,
    pub livekit: LiveKitSettings,
    pub llm: LlmSettings,
    pub nats: NatsSettings,
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub telemetry: TelemetrySettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        // All are read before the first `?`, so that every problem is reported at once.
        let gateway = GatewaySettings::read(loader);
        let home = HomeSettings::read(loader);
        let http = HttpSettings::gateway(loader);
        let identity = IdentitySettings::read(loader);
        let livekit = LiveKitSettings::read(loader);
        let llm = LlmSettings::read(loader);
        let nats = NatsSettings::read(loader);
        let postgres = PostgresSettings::read(loader);
        let redis = RedisSettings::read(loader);
        let telemetry = TelemetrySettings::read(loader);
        Ok(Self {
            gateway: gateway?,
            home: home?,
            http: http?,
            identity: identity?,
            livekit: livekit?,
            llm: llm?,
            nats: nats?,
            postgres: postgres?,
            redis: redis?,
            telemetry: telemetry?,
        })
    }
}
