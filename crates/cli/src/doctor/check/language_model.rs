//! The language model's server: whether it answers, has the model, and has it in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aether_llm::{Client, Error, Options};
use aether_settings::{Dialect, LlmSettings};
use serde_json::Value;
use url::Url;

use crate::doctor::Section::LanguageModel;
use crate::doctor::{Finding, Surroundings, numbers};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    if let Some(nobody) = around.nobody_to_ask(LanguageModel, "llm", "llm.endpoint") {
        return vec![nobody];
    }
    let Ok(settings) = around.context.settings(LlmSettings::read) else {
        return vec![LanguageModel.skipped("server", "its settings are wrong")];
    };
    let client = match client(&settings) {
        Ok(client) => client,
        Err(error) => return vec![LanguageModel.problem("server", error.to_string(), "correct LLM_ENDPOINT")],
    };
    let began = Instant::now();
    let models = match client.models().await {
        Ok(models) => models,
        Err(error) => return vec![unanswered(&around, &settings, &error)],
    };
    let took = numbers::milliseconds(began.elapsed());
    let found = format!("{} answers after {took:.0} ms", settings.endpoint);
    let mut findings = vec![LanguageModel.ok("server", found).with("answer_ms", took)];
    findings.push(model(&settings, &models));
    if findings.iter().all(|finding| finding.remedy.is_none()) {
        findings.extend(loaded(&settings).await);
    }
    findings
}

/// The client that brain would use.
pub fn client(settings: &LlmSettings) -> Result<Client, Error> {
    let dialect = match settings.dialect {
        Dialect::Ollama => aether_llm::Dialect::Ollama,
        Dialect::OpenAi => aether_llm::Dialect::OpenAi,
    };
    let endpoint = Url::parse(settings.endpoint.expose())
        .map_err(|_| Error::Endpoint { endpoint: settings.endpoint.to_string() })?;
    let mut options = Options::new(endpoint, dialect, settings.model.as_str());
    options.api_key = settings.api_key.as_ref().map(|key| key.expose().to_owned());
    options.context_tokens = Some(settings.context_tokens);
    Client::new(options)
}

fn unanswered(around: &Surroundings, settings: &LlmSettings, error: &Error) -> Finding {
    let is_ollama = settings.dialect == Dialect::Ollama;
    let remedy = if around.part("llm").is_some_and(|part| part.started) {
        format!("look at {} and at `aether status`", around.context.layout().log("llm").display())
    } else if is_ollama {
        "start it (ollama serve), or correct LLM_ENDPOINT and LLM_DIALECT".to_owned()
    } else {
        "start it, or correct LLM_ENDPOINT (most end in /v1), LLM_DIALECT (openai or ollama) and LLM_API_KEY".to_owned()
    };
    let found = error.to_string();
    // What to do about it is told better by whoever knows who started it.
    LanguageModel.problem("server", found.split(';').next().unwrap_or_default(), remedy)
}

fn model(settings: &LlmSettings, models: &[String]) -> Finding {
    let wanted = settings.model.as_str();
    if models.iter().any(|model| same(model, wanted)) {
        return LanguageModel.ok("model", format!("{wanted} is there"));
    }
    if models.is_empty() {
        // Some servers know only one, and don't say which.
        return LanguageModel.warning("model", "the server names no models", "check LLM_MODEL when answers fail");
    }
    let some: Vec<_> = models.iter().take(5).map(String::as_str).collect();
    let found = format!("{wanted} is not there; there are {}", some.join(", "));
    let remedy = match settings.dialect {
        Dialect::Ollama => format!("ollama pull {wanted}, or set LLM_MODEL to one that is there"),
        Dialect::OpenAi => "set LLM_MODEL to one that is there".to_owned(),
    };
    LanguageModel.problem("model", found, remedy)
}

/// Ollama's names have a tag, which is `latest` where none is written.
fn same(theirs: &str, wanted: &str) -> bool {
    theirs == wanted || theirs.strip_suffix(":latest") == Some(wanted) || wanted.strip_suffix(":latest") == Some(theirs)
}

/// Whether the first question has to wait until the model is read from the disk.
async fn loaded(settings: &LlmSettings) -> Option<Finding> {
    let base = settings.endpoint.expose().trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    match settings.dialect {
        Dialect::Ollama => {
            let base = base.strip_suffix("/api").unwrap_or(base);
            Some(in_memory(&get(&format!("{base}/api/ps")).await?, &settings.model))
        }
        // llama.cpp's; others have no such question.
        Dialect::OpenAi => {
            let health = get(&format!("{base}/health")).await?;
            match health["status"].as_str() {
                Some("ok") => Some(LanguageModel.ok("loaded", "in memory")),
                Some(status) => Some(LanguageModel.warning(
                    "loaded",
                    format!("the server says {status}"),
                    "wait until it has read the model",
                )),
                None => None,
            }
        }
    }
}

fn in_memory(running: &Value, wanted: &str) -> Finding {
    let models = running["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    match models.iter().find(|model| model["name"].as_str().is_some_and(|name| same(name, wanted))) {
        Some(model) => {
            let (all, on_gpu) = (model["size"].as_u64().unwrap_or(0), model["size_vram"].as_u64().unwrap_or(0));
            let found = format!("in memory, {}, {} of it on a GPU", numbers::bytes(all), numbers::bytes(on_gpu));
            LanguageModel.ok("loaded", found).with("bytes", all as f64).with("gpu_bytes", on_gpu as f64)
        }
        None => LanguageModel
            .ok("loaded", "not in memory: the first answer waits until it is; brain asks for it at its start"),
    }
}

async fn get(url: &str) -> Option<Value> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().ok()?;
    client.get(url).send().await.ok()?.json().await.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Status;

    fn settings(dialect: &str, model: &str) -> LlmSettings {
        let environment = |name: &str| match name {
            "LLM_DIALECT" => Some(dialect.to_owned()),
            "LLM_MODEL" => Some(model.to_owned()),
            _ => None,
        };
        aether_settings::Loader::new(environment, None).load(LlmSettings::read).unwrap()
    }

    #[test]
    fn a_model_is_found_under_any_of_its_names() {
        let there = ["llama3.2:3b", "mistral:latest"].map(str::to_owned);
        for (wanted, status) in [
            ("llama3.2:3b", Status::Ok),
            ("mistral", Status::Ok),
            ("mistral:latest", Status::Ok),
            ("llama3.2", Status::Problem),
        ] {
            assert_eq!(model(&settings("ollama", wanted), &there).status, status, "{wanted}");
        }
        let missing = model(&settings("ollama", "qwen2.5:7b"), &there);
        assert_eq!(missing.remedy.as_deref(), Some("ollama pull qwen2.5:7b, or set LLM_MODEL to one that is there"));
        assert_eq!(model(&settings("openai", "x"), &[]).status, Status::Warning);
    }

    #[test]
    fn a_loaded_model_says_where_it_lies() {
        let running =
            json!({ "models": [{ "name": "a:latest", "size": 2_000_000_000_u64, "size_vram": 2_000_000_000_u64 }] });
        assert_eq!(in_memory(&running, "a").found, "in memory, 2.0 GB, 2.0 GB of it on a GPU");
        assert_eq!(in_memory(&json!({}), "a").figures.len(), 0);
    }
}
