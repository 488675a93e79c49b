//! Every route there is, in one table: method, path, what a caller must be allowed, and who answers.
//!
//! The router is made from the table and from nothing else, so that no route can exist without saying who may use it. Beside
//! it stand only the four pages of every service (`/livez`, `/readyz`, `/health`, `/metrics`) and the files of the page.

use aether_identity::Scope;
use aether_proto::ErrorCode;
use aether_telemetry::http_router;
use axum::Router;
use axum::http::{HeaderName, Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::access::{Access, enforce};
use crate::app::App;
use crate::problem::Problem;
use crate::trace::trace;
use crate::{
    chat, events, keys, latency, me, models, notifications, page, page_tokens, people, rooms, sessions, socket, tasks,
    webhook,
};

/// A route, without who answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// As axum writes it: `/v1/keys/{prefix}`.
    pub path: &'static str,
    pub access: Access,
}

/// All routes that are ours alone.
pub fn routes() -> Vec<Route> {
    table().into_iter().map(|row| row.route).collect()
}

/// One row of the table.
struct Row {
    route: Route,
    handler: MethodRouter<App>,
}

#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Access::{Known, Public, Signed, With};
    use Scope::{Admin, Chat, History, Talk};
    vec![
        row(Method::POST,   "/v1/chat/completions",     With(Chat),    post(chat::completions)),
        row(Method::GET,    "/v1/models",               With(Chat),    get(models::list)),
        row(Method::GET,    "/v1/models/{*id}",         With(Chat),    get(models::show)),
        row(Method::POST,   "/v1/rooms/token",          With(Talk),    post(rooms::token)),
        row(Method::GET,    "/v1/rooms",                With(Talk),    get(rooms::list)),
        row(Method::POST,   "/v1/rooms/{room}/control", With(Talk),    post(rooms::control)),
        row(Method::GET,    "/v1/sessions",             With(History), get(sessions::list)),
        row(Method::GET,    "/v1/sessions/{id}",        With(History), get(sessions::show)),
        row(Method::GET,    "/v1/tasks",                With(History), get(tasks::list)),
        row(Method::POST,   "/v1/tasks/control",        With(Chat),    post(tasks::control)),
        row(Method::GET,    "/v1/tasks/{id}",           With(History), get(tasks::show)),
        row(Method::GET,    "/v1/schedules",            With(History), get(tasks::schedules)),
        row(Method::GET,    "/v1/notifications",               With(History), get(notifications::list)),
        row(Method::POST,   "/v1/notifications/{id}",          With(Chat),    post(notifications::act)),
        row(Method::GET,    "/v1/notifications/rules",         With(History), get(notifications::rules)),
        row(Method::DELETE, "/v1/notifications/rules/{id}",    With(Chat),    delete(notifications::forget_rule)),
        row(Method::GET,    "/v1/notifications/settings",      With(History), get(notifications::settings)),
        row(Method::PUT,    "/v1/notifications/settings",      With(Chat),    put(notifications::change_settings)),
        row(Method::GET,    "/v1/notifications/targets",       With(History), get(notifications::targets)),
        row(Method::POST,   "/v1/notifications/targets",       With(Chat),    post(notifications::add_target)),
        row(Method::DELETE, "/v1/notifications/targets/{id}",  With(Chat),    delete(notifications::remove_target)),
        row(Method::GET,    "/v1/sources",              With(History), get(notifications::sources)),
        row(Method::POST,   "/v1/sources",              With(Chat),    post(notifications::add_source)),
        row(Method::DELETE, "/v1/sources/{id}",         With(Chat),    delete(notifications::remove_source)),
        row(Method::POST,   "/v1/events/{source}",      Signed,        post(events::receive)),
        row(Method::GET,    "/v1/me",                   Known,         get(me::show)),
        row(Method::PATCH,  "/v1/me",                   Known,         patch(me::change)),
        row(Method::POST,   "/v1/page-tokens",          Known,         post(page_tokens::create)),
        row(Method::GET,    "/v1/people",               With(Admin),   get(people::list)),
        row(Method::POST,   "/v1/people",               With(Admin),   post(people::create)),
        row(Method::GET,    "/v1/keys",                 With(Admin),   get(keys::list)),
        row(Method::POST,   "/v1/keys",                 With(Admin),   post(keys::create)),
        row(Method::DELETE, "/v1/keys/{prefix}",        With(Admin),   delete(keys::revoke)),
        row(Method::GET,    "/ws",                      With(Talk),    get(socket::connect)),
        row(Method::POST,   "/livekit/webhook",         Signed,        post(webhook::receive)),
        row(Method::GET,    "/metrics/latency",         Public,        get(latency::show)),
    ]
}

fn row(method: Method, path: &'static str, access: Access, handler: MethodRouter<App>) -> Row {
    Row { route: Route { method, path, access }, handler }
}

pub(crate) fn router(app: &App) -> Router {
    let mut router = Router::new();
    for Row { route: Route { path, access, .. }, handler } in table() {
        let guarded = handler.route_layer(from_fn_with_state((app.clone(), access), enforce));
        router = router.route(path, guarded.route_layer(from_fn(trace)));
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(page::serve)
        .with_state(app.clone())
        .merge(http_router(app.health.clone()))
        .layer(cross_origin())
        .layer(CatchPanicLayer::custom(broken))
}

/// Pages from elsewhere may ask, such as a LiveKit starter app for its token. What they are allowed is in the key or token that
/// they show; there is no cookie that a browser would add by itself.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-conversation-id"), HeaderName::from_static("retry-after")])
}

/// A fault of ours ends one request, not the process.
fn broken(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::new(ErrorCode::Internal, "something went wrong on our side; the log says what").into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::wrong_method(format_args!("{} can't be asked with {method}", uri.path()))
}
