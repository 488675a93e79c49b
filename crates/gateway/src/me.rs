//! Who the caller is.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, display_name};
use crate::problem::Problem;

/// `GET /v1/me`
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let name = match &caller.person {
        None => None,
        Some(person) => {
            let row = app.store.tenant(&caller.tenant).await?.person(person).await?;
            // Empty where nobody has said it yet.
            row.map(|row| row.name).filter(|name| !name.is_empty())
        }
    };
    Ok(Json(described(&caller, name.as_deref())))
}

/// `PATCH /v1/me`: `{name}`
pub(crate) async fn change(State(app): State<App>, caller: Caller, body: Body) -> Result<Json<Value>, Problem> {
    let name = display_name(&body.object()?.required("name")?)?;
    let Some(person) = &caller.person else {
        return Err(Problem::field("name", "this key is nobody's: there is no person to give a name to"));
    };
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    transaction.upsert_person(person, &name).await?;
    transaction.commit().await?;
    app.names.forget(&caller.tenant, person);
    Ok(Json(described(&caller, Some(&name))))
}

fn described(caller: &Caller, name: Option<&str>) -> Value {
    json!({
        "tenant": caller.tenant,
        "agent": caller.agent,
        "person": caller.person,
        "name": name,
        "scopes": caller.scopes,
    })
}
