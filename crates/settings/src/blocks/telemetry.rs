use serde::Serialize;

use crate::{Invalid, Loader, ServerUrl, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[&LOG_FORMAT, &LOG_LEVEL, &OTLP_ENDPOINT];

const LOG_FORMAT: Setting = Setting {
    key: "telemetry.log_format",
    env: &["AETHER_LOG_FORMAT"],
    default: Some("text"),
    shown: Shown::All,
    about: "shape of log lines: text or json",
};
const LOG_LEVEL: Setting = Setting {
    key: "telemetry.log_level",
    env: &["AETHER_LOG_LEVEL"],
    default: Some("info"),
    shown: Shown::All,
    about: "least severe level that is logged, also per module: info,aether_bus=debug",
};
const OTLP_ENDPOINT: Setting = Setting {
    key: "telemetry.otlp_endpoint",
    env: &["OTEL_EXPORTER_OTLP_ENDPOINT"],
    default: None,
    shown: Shown::Url,
    about: "OTLP (gRPC) collector that traces are sent to; without one none are",
};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// What a process tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    pub otlp_endpoint: Option<ServerUrl>,
    pub log_format: LogFormat,
    /// A level, or a comma-separated list of levels and `module=level`.
    pub log_level: String,
}

impl TelemetrySettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let log_format = loader.required(&LOG_FORMAT, |text| value::one_of(text, &words));
        let log_level = loader.required(&LOG_LEVEL, levels);
        let otlp_endpoint = loader.optional(&OTLP_ENDPOINT, |text| ServerUrl::parse(text, &["http"]));
        Ok(Self { otlp_endpoint: otlp_endpoint?, log_format: log_format?, log_level: log_level? })
    }
}

fn levels(text: &str) -> Result<String, String> {
    let is_module = |module: &str| {
        !module.is_empty() && module.chars().all(|letter| letter.is_ascii_alphanumeric() || "_:".contains(letter))
    };
    let valid = text.split(',').all(|directive| match directive.split_once('=') {
        None => LEVELS.contains(&directive),
        Some((module, level)) => is_module(module) && LEVELS.contains(&level),
    });
    if valid { Ok(text.to_owned()) } else { Err(format!("one of {}, also as module=level", LEVELS.join(", "))) }
}
