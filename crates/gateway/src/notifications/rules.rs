use aether_proto::notify_control::Wish;
use aether_store::RuleRow;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Query, deleted, person, wish};
use crate::access::Caller;
use crate::app::App;
use crate::fields::Segment;
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// `GET /v1/notifications/rules`: what was learned from the person's feedback.
pub(crate) async fn list(State(app): State<App>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let rules = app.store.tenant(&caller.tenant).await?.rules(&caller.agent, &person).await?;
    let data: Vec<_> = rules.iter().map(shown).collect();
    Ok(Json(json!({ "data": data })))
}

/// `DELETE /v1/notifications/rules/{id}`: it is forgotten, and what led to it teaches nothing more.
pub(crate) async fn forget(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    Segment(id): Segment,
) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    wish(&app, &caller, &person, Wish::ForgetRule(id.clone())).await?;
    Ok(deleted("rule_id", &id))
}

pub(super) fn shown(rule: &RuleRow) -> Value {
    json!({
        "rule_id": rule.rule.to_string(),
        "source": rule.source,
        "kind": rule.kind,
        "decision": rule.decision,
        "reason": rule.reason,
        "learned_at": rfc3339(rule.learned_at),
    })
}
