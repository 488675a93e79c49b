//! The people of a tenant, and what they are called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_proto::{PersonId, TenantId};
use aether_store::PersonRow;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::fields::{Body, display_name};
use crate::problem::Problem;
use crate::sessions::rfc3339;

/// How long a name is believed; another process may have changed it.
const NAME_MEMORY: Duration = Duration::from_secs(10);
/// How long somebody waits for a name. An answer without it is still an answer.
const NAME_PATIENCE: Duration = Duration::from_millis(500);
/// Beyond it the memory starts anew.
const MOST_NAMES: usize = 10_000;

/// `GET /v1/people`
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let people = app.store.tenant(&caller.tenant).await?.people().await?;
    let data: Vec<Value> = people.iter().map(person).collect();
    Ok(Json(json!({ "data": data })))
}

/// `POST /v1/people`: `{person, name}`. Who is there already is called so from now on.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.object()?;
    let id: PersonId = body.required("person")?.parse()?;
    let name = match body.get("name") {
        Some(name) => display_name(&name)?,
        None => id.to_string(),
    };
    let mut transaction = app.store.tenant(&caller.tenant).await?;
    transaction.upsert_person(&id, &name).await?;
    let row = transaction.person(&id).await?;
    transaction.commit().await?;
    app.names.forget(&caller.tenant, &id);
    let shown = row.as_ref().map_or_else(|| json!({ "person": id, "name": name }), person);
    Ok((StatusCode::CREATED, Json(shown)))
}

fn person(row: &PersonRow) -> Value {
    json!({ "person": row.person_id, "name": row.name, "created_at": rfc3339(row.created_at) })
}

/// What people are called, remembered for a moment: every turn says it. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Names {
    known: Arc<Mutex<HashMap<Whose, Known>>>,
}

type Whose = (TenantId, PersonId);

struct Known {
    name: String,
    /// When it was asked for; the answer may still be on its way.
    asked: Instant,
}

impl Names {
    /// Empty where nobody has said how this person is called, or nobody can be asked in time. Only the first question is
    /// waited for: later ones are asked again behind the answer.
    pub async fn of(&self, app: &App, tenant: &TenantId, person: &PersonId) -> String {
        let whose = (tenant.clone(), person.clone());
        let known = {
            let mut all = self.lock();
            all.get_mut(&whose).map(|known| {
                let is_old = known.asked.elapsed() >= NAME_MEMORY;
                if is_old {
                    known.asked = Instant::now();
                }
                (known.name.clone(), is_old)
            })
        };
        match known {
            Some((name, is_old)) => {
                if is_old {
                    let (names, app_behind) = (self.clone(), app.clone());
                    app.background.spawn(async move { names.ask(&app_behind, whose).await });
                }
                name
            }
            None => self.ask(app, whose).await,
        }
    }

    pub fn forget(&self, tenant: &TenantId, person: &PersonId) {
        self.lock().remove(&(tenant.clone(), person.clone()));
    }

    async fn ask(&self, app: &App, whose: Whose) -> String {
        let look_up = async { app.store.tenant(&whose.0).await?.person(&whose.1).await };
        let found = match tokio::time::timeout(NAME_PATIENCE, look_up).await {
            Ok(Ok(row)) => Some(row.map(|row| row.name).unwrap_or_default()),
            Ok(Err(_)) | Err(_) => None,
        };
        let mut all = self.lock();
        // What it was a moment ago it most likely still is.
        let name = found.unwrap_or_else(|| all.get(&whose).map(|known| known.name.clone()).unwrap_or_default());
        if all.len() >= MOST_NAMES {
            all.clear();
        }
        all.insert(whose, Known { name: name.clone(), asked: Instant::now() });
        name
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Whose, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
