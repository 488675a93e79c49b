use aether_proto::{NotificationSettings, notify_control::Wish};
use aether_store::NotifySettings;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Query, person, wish};
use crate::access::Caller;
use crate::app::App;
use crate::fields::Body;
use crate::problem::Problem;

const MOST_TIMES: usize = 24;

/// `GET /v1/notifications/settings`: what the person has set, or what holds where they have not.
pub(crate) async fn show(State(app): State<App>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let settings = app.store.tenant(&caller.tenant).await?.notify_settings(&caller.agent, &person).await?;
    // Without a notifier there is no push either.
    let push_key = wish(&app, &caller, &person, Wish::PushKey(true)).await.map(|reply| reply.push_key).ok();
    Ok(Json(shown(&settings.unwrap_or_default(), push_key.as_deref())))
}

/// `PUT /v1/notifications/settings`
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    query: Query,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let person = person(&caller, &query)?;
    let body = body.object()?;
    let text = |name: &str| body.get(name).map(|field| field.text().map(str::to_owned)).transpose();
    let times = body.required("digest_at")?;
    let digest_at = times.list()?;
    if digest_at.len() > MOST_TIMES {
        return Err(times.wrong(format_args!("must hold at most {MOST_TIMES} times")));
    }
    let settings = NotificationSettings {
        quiet_from: text("quiet_from")?.unwrap_or_default(),
        quiet_until: text("quiet_until")?.unwrap_or_default(),
        time_zone: body.required("time_zone")?.text()?.to_owned(),
        digest_at: digest_at.iter().map(|field| field.text().map(str::to_owned)).collect::<Result<_, _>>()?,
        most_per_hour: u32::try_from(body.required("most_per_hour")?.integer(1..=1000)?).unwrap_or(1),
    };
    wish(&app, &caller, &person, Wish::Settings(settings)).await?;
    show(State(app), caller, query).await
}

fn shown(settings: &NotifySettings, push_key: Option<&str>) -> Value {
    json!({
        "quiet_from": settings.quiet_from,
        "quiet_until": settings.quiet_until,
        "time_zone": settings.time_zone,
        "digest_at": settings.digest_at,
        "most_per_hour": settings.most_per_hour,
        "push_key": push_key,
    })
}
