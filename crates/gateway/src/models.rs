//! Which names may stand in a request's `model`: the agent's, and its language model's for clients that insist on one.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::fields::Segment;
use crate::problem::Problem;

/// Clients want a time here; there is none that means anything.
const CREATED: u64 = 0;

/// `GET /v1/models`
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Json<Value> {
    let models: Vec<Value> = names(&app, &caller).into_iter().map(model).collect();
    Json(json!({ "object": "list", "data": models }))
}

/// `GET /v1/models/{id}`
pub(crate) async fn show(State(app): State<App>, caller: Caller, Segment(id): Segment) -> Result<Json<Value>, Problem> {
    check(&app, &caller, &id)?;
    Ok(Json(model(&id)))
}

/// Whether there is a model of this name.
pub(crate) fn check(app: &App, caller: &Caller, name: &str) -> Result<(), Problem> {
    let names = names(app, caller);
    if names.contains(&name) {
        return Ok(());
    }
    let message = format!("there is no model {name:?}, only {}", names.join(" and "));
    Err(Problem::not_found(message).at("model").shown_as("model_not_found"))
}

fn names<'a>(app: &'a App, caller: &'a Caller) -> Vec<&'a str> {
    let agent = caller.agent.as_str();
    let llm = Some(app.options.llm_model.as_str()).filter(|llm| !llm.is_empty() && *llm != agent);
    [Some(agent), llm].into_iter().flatten().collect()
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "aether" })
}
