//! All settings there are.

use crate::blocks::{
    agent, brain, gateway, home, http, identity, kernel, livekit, llm, nats, notifier, postgres, redis, speech,
    telemetry, tts, turn_taking,
};
use crate::{
    AgentSettings, BrainSettings, GatewaySettings, HomeSettings, HttpSettings, IdentitySettings, KernelSettings,
    LiveKitSettings, LlmSettings, Loader, NatsSettings, NotifierSettings, PostgresSettings, Problem, RedisSettings,
    Row, Setting, SpeechSettings, TelemetrySettings, TtsSettings, TurnTakingSettings,
};

/// Every setting, block by block: what `aether.toml` may hold and `aether config` shows.
pub const ALL: &[&[&Setting]] = &[
    home::SETTINGS,
    identity::SETTINGS,
    nats::SETTINGS,
    postgres::SETTINGS,
    redis::SETTINGS,
    livekit::SETTINGS,
    llm::SETTINGS,
    speech::SETTINGS,
    http::SETTINGS,
    gateway::SETTINGS,
    agent::SETTINGS,
    turn_taking::SETTINGS,
    brain::SETTINGS,
    tts::SETTINGS,
    kernel::SETTINGS,
    notifier::SETTINGS,
    telemetry::SETTINGS,
];

/// Every setting with what is in force, and everything that is wrong: one answer, so that `aether config` can show both.
pub fn describe(mut loader: Loader<'_>) -> (Vec<Row>, Vec<Problem>) {
    // Each block notes its rows and problems in the loader; its value is of no interest here.
    let _ = HomeSettings::read(&mut loader);
    let _ = IdentitySettings::read(&mut loader);
    let _ = NatsSettings::read(&mut loader);
    let _ = PostgresSettings::read(&mut loader);
    let _ = RedisSettings::read(&mut loader);
    let _ = LiveKitSettings::read(&mut loader);
    let _ = LlmSettings::read(&mut loader);
    let _ = SpeechSettings::read(&mut loader);
    let _ = HttpSettings::gateway(&mut loader);
    let _ = HttpSettings::agent(&mut loader);
    let _ = HttpSettings::brain(&mut loader);
    let _ = HttpSettings::tts(&mut loader);
    let _ = HttpSettings::scheduler(&mut loader);
    let _ = HttpSettings::notifier(&mut loader);
    let _ = GatewaySettings::read(&mut loader);
    let _ = AgentSettings::read(&mut loader);
    let _ = TurnTakingSettings::read(&mut loader);
    let _ = BrainSettings::read(&mut loader);
    let _ = TtsSettings::read(&mut loader);
    let _ = KernelSettings::read(&mut loader);
    let _ = NotifierSettings::read(&mut loader);
    let _ = TelemetrySettings::read(&mut loader);
    loader.into_rows()
}
