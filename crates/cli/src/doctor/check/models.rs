//! The model files: those that are needed are there, and each that is there is what it should be.

use std::sync::Arc;

use aether_models::{Error, FileState, Kind, ModelStore};
use aether_settings::{BrainSettings, LlmSettings, SpeechSettings, TurnTakingSettings};
use futures::StreamExt;

use crate::doctor::Section::Models;
use crate::doctor::{Finding, Surroundings, numbers};

/// Reading from the disk is the slow part, and more readers make it slower.
const AT_ONCE: usize = 2;

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let store = ModelStore::new(around.context.layout().models());
    let needed = needed(&around, &store);
    let present: Vec<_> = store
        .manifest()
        .models()
        .filter(|model| store.is_present(model))
        .map(|model| (model.id.clone(), model.size()))
        .collect();
    let mut findings = Vec::new();
    for (purpose, id) in &needed {
        if store.manifest().model(id).is_none() {
            let found = format!("{id} is not among the models there are");
            findings.push(Models.problem(
                id,
                found,
                format!("`aether models list` shows them; correct the setting that names the {purpose}"),
            ));
        } else if let Err(error) = store.require_all(id) {
            let why = match &error {
                Error::Missing { .. } => "is not there".to_owned(),
                Error::Damaged { found, .. } => format!("is damaged: a file of it has {found} bytes"),
                other => other.to_string(),
            };
            findings.push(Models.problem(id, format!("{why} ({purpose})"), format!("aether models get {id}")));
        }
    }
    let verified: Vec<_> = futures::stream::iter(present)
        .map(|(id, size)| verify(&store, id, size, &needed))
        .buffered(AT_ONCE)
        .collect()
        .await;
    findings.extend(verified);
    findings
}

/// What a start from here would load, each with what it is for.
fn needed(around: &Surroundings, store: &ModelStore) -> Vec<(&'static str, String)> {
    let mut needed = Vec::new();
    if let Ok(speech) = around.context.settings(SpeechSettings::read) {
        needed.extend([("model that transcribes", speech.whisper_model), ("voice", speech.piper_model)]);
    }
    if let Ok(turn) = around.context.settings(TurnTakingSettings::read) {
        needed.extend(turn.end_of_turn_model.map(|id| ("model that hears whether somebody is done", id)));
    }
    if let Ok(brain) = around.context.settings(BrainSettings::read) {
        needed.push(("model that memories are found by", brain.embedding_model));
    }
    needed.extend(store.manifest().default_model(Kind::Vad).map(|model| ("model that hears voices", model.id.clone())));
    if around.starts("llm", "llm.endpoint")
        && let Ok(llm) = around.context.settings(LlmSettings::read)
        && let Some(wanted) = store.manifest().model(&llm.model)
    {
        // A smaller one may do; a start from here says so.
        let chosen = store.present_or_fallback(&wanted.id).unwrap_or(wanted);
        needed.push(("language model", chosen.id.clone()));
    }
    needed
}

async fn verify(store: &ModelStore, id: String, size: u64, needed: &[(&str, String)]) -> Finding {
    let use_of = needed.iter().find(|(_, needed)| *needed == id).map_or("not in use", |(purpose, _)| purpose);
    let checks = match store.verify(&id).await {
        Ok(checks) => checks,
        Err(error) => return Models.problem(&id, error.to_string(), format!("aether models get {id}")),
    };
    let damaged = checks.iter().find_map(|check| damage(&check.state).map(|damage| format!("{} {damage}", check.file)));
    match damaged {
        Some(damage) => Models.problem(&id, damage, format!("aether models get {id}")),
        None => Models.ok(&id, format!("sound, {} ({use_of})", numbers::bytes(size))).with("bytes", size as f64),
    }
}

fn damage(state: &FileState) -> Option<String> {
    match state {
        FileState::Sound { .. } => None,
        FileState::Missing => Some("is missing".to_owned()),
        FileState::WrongSize { found, expected } => Some(format!("has {found} bytes instead of {expected}")),
        FileState::WrongHash { .. } => Some("is damaged: its hash is another".to_owned()),
    }
}
