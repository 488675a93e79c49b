//! What the agent can be told.

use aether_settings::{
    AgentSettings, HomeSettings, HttpSettings, IdentitySettings, Invalid, LiveKitSettings, Loader, NatsSettings,
    RedisSettings, SpeechSettings, TelemetrySettings, TurnTakingSettings,
};

/// Defaults < `aether.toml` < environment.
#[derive(Debug, Clone)]
pub struct Settings {
    pub agent: AgentSettings,
    pub home: HomeSettings,
    pub http: HttpSettings,
    pub identity: IdentitySettings,
    pub livekit: LiveKitSettings,
    pub nats: NatsSettings,
    pub redis: RedisSettings,
    pub speech: SpeechSettings,
    pub telemetry: TelemetrySettings,
    pub turn_taking: TurnTakingSettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let agent = AgentSettings::read(loader);
        let home = HomeSettings::read(loader);
        let http = HttpSettings::agent(loader);
        let identity = IdentitySettings::read(loader);
        let livekit = LiveKitSettings::read(loader);
        let nats = NatsSettings::read(loader);
        let redis = RedisSettings::read(loader);
        let speech = SpeechSettings::read(loader);
        let telemetry = TelemetrySettings::read(loader);
        let turn_taking = TurnTakingSettings::read(loader);
        Ok(Self {
            agent: agent?,
            home: home?,
            http: http?,
            identity: identity?,
            livekit: livekit?,
            nats: nats?,
            redis: redis?,
            speech: speech?,
            telemetry: telemetry?,
            turn_taking: turn_taking?,
        })
    }
}
