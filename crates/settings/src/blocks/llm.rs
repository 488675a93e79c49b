use std::time::Duration;

use serde::Serialize;

use crate::{Invalid, Loader, Secret, ServerUrl, Setting, Shown, value};

pub(crate) const SETTINGS: &[&Setting] = &[
    &DIALECT,
    &ENDPOINT,
    &MODEL,
    &VISION_MODEL,
    &API_KEY,
    &CONTEXT,
    &MAX_OUTPUT,
    &TEMPERATURE,
    &FIRST_TOKEN_TIMEOUT,
    &IDLE_TIMEOUT,
];

const DIALECT: Setting = Setting {
    key: "llm.dialect",
    env: &["LLM_DIALECT"],
    default: Some("openai"),
    shown: Shown::All,
    about: "protocol of the LLM server: openai or ollama",
};
const ENDPOINT: Setting = Setting {
    key: "llm.endpoint",
    env: &["LLM_ENDPOINT"],
    default: Some("http://127.0.0.1:11435/v1"),
    shown: Shown::Url,
    about: "LLM server",
};
/// The default that goes with [`Dialect::Ollama`].
const OLLAMA_ENDPOINT: &str = "http://127.0.0.1:11434";
const MODEL: Setting = Setting {
    key: "llm.model",
    env: &["LLM_MODEL", "AETHER_LLM_MODEL"],
    default: Some("qwen2.5-coder-0.5b-instruct-q4_k_m"),
    shown: Shown::All,
    about: "model that answers, as the LLM server names it",
};
const VISION_MODEL: Setting = Setting {
    key: "llm.vision_model",
    env: &["LLM_VISION_MODEL"],
    default: None,
    shown: Shown::All,
    about: "model of the same server that answers where images are shown; without one, images are refused",
};
const API_KEY: Setting = Setting {
    key: "llm.api_key",
    env: &["LLM_API_KEY"],
    default: None,
    shown: Shown::Nothing,
    about: "key for an LLM server that asks for one",
};
const CONTEXT: Setting = Setting {
    key: "llm.context_tokens",
    env: &["LLM_CONTEXT_TOKENS"],
    default: Some("4096"),
    shown: Shown::All,
    about: "tokens that prompt and answer may take together",
};
const MAX_OUTPUT: Setting = Setting {
    key: "llm.max_output_tokens",
    env: &["LLM_MAX_OUTPUT_TOKENS"],
    default: Some("256"),
    shown: Shown::All,
    about: "longest answer, in tokens",
};
const TEMPERATURE: Setting = Setting {
    key: "llm.temperature",
    env: &["LLM_TEMPERATURE"],
    default: Some("0.4"),
    shown: Shown::All,
    about: "how freely the model chooses its words, from 0 to 2",
};
const FIRST_TOKEN_TIMEOUT: Setting = Setting {
    key: "llm.first_token_timeout_ms",
    env: &["LLM_FIRST_TOKEN_TIMEOUT_MS"],
    default: Some("20000"),
    shown: Shown::All,
    about: "longest wait for the first token, in milliseconds",
};
const IDLE_TIMEOUT: Setting = Setting {
    key: "llm.idle_timeout_ms",
    env: &["LLM_IDLE_TIMEOUT_MS"],
    default: Some("10000"),
    shown: Shown::All,
    about: "longest pause between two tokens, in milliseconds",
};

/// The protocol an LLM server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Ollama's own API.
    Ollama,
    /// `/v1/chat/completions`, as llama.cpp's server, vLLM and many others have it.
    OpenAi,
}

/// Which model answers, and how long it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmSettings {
    pub dialect: Dialect,
    pub endpoint: ServerUrl,
    pub model: String,
    pub vision_model: Option<String>,
    pub api_key: Option<Secret>,
    pub context_tokens: u32,
    pub max_output_tokens: u32,
    pub temperature: f32,
    pub first_token_timeout: Duration,
    pub idle_timeout: Duration,
}

impl LlmSettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        let words = [("openai", Dialect::OpenAi), ("ollama", Dialect::Ollama)];
        let dialect = loader.required(&DIALECT, |text| value::one_of(text, &words));
        let default_endpoint = match dialect {
            Ok(Dialect::Ollama) => Some(OLLAMA_ENDPOINT),
            _ => ENDPOINT.default,
        };
        let endpoint =
            loader.required_or(&ENDPOINT, default_endpoint, |text| ServerUrl::parse(text, &["http", "https"]));
        let model = loader.required(&MODEL, value::text);
        let vision_model = loader.optional(&VISION_MODEL, value::text);
        let api_key = loader.optional(&API_KEY, |text| value::secret(text, 1));
        let context_tokens = loader.required(&CONTEXT, |text| value::integer(text, 512..=1_048_576));
        let max_output_tokens = loader.required(&MAX_OUTPUT, |text| value::integer(text, 1..=65_536));
        let temperature = loader.required(&TEMPERATURE, |text| value::decimal(text, 0.0..=2.0));
        let first_token_timeout =
            loader.required(&FIRST_TOKEN_TIMEOUT, |text| value::milliseconds(text, 100..=600_000));
        let idle_timeout = loader.required(&IDLE_TIMEOUT, |text| value::milliseconds(text, 100..=600_000));
        Ok(Self {
            dialect: dialect?,
            endpoint: endpoint?,
            model: model?,
            vision_model: vision_model?,
            api_key: api_key?,
            context_tokens: context_tokens?,
            max_output_tokens: max_output_tokens?,
            temperature: temperature?,
            first_token_timeout: first_token_timeout?,
            idle_timeout: idle_timeout?,
        })
    }
}
