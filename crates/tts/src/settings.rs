//! What the process is told from outside.

use aether_settings::{
    HomeSettings, HttpSettings, Invalid, Loader, NatsSettings, SpeechSettings, TelemetrySettings, TtsSettings,
};

/// The blocks that this service is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    pub home: HomeSettings,
    pub nats: NatsSettings,
    pub speech: SpeechSettings,
    pub tts: TtsSettings,
    pub http: HttpSettings,
    pub telemetry: TelemetrySettings,
}

impl Settings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let home = HomeSettings::read(loader);
        let nats = NatsSettings::read(loader);
        let speech = SpeechSettings::read(loader);
        let tts = TtsSettings::read(loader);
        let http = HttpSettings::tts(loader);
        let telemetry = TelemetrySettings::read(loader);
        Ok(Self { home: home?, nats: nats?, speech: speech?, tts: tts?, http: http?, telemetry: telemetry? })
    }
}
