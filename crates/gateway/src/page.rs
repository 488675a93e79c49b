//! The page: the files of its folder, and what a browser may do with them.

use std::path::Path;

use aether_proto::ErrorCode;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;
use tower_http::compression::Compression;
use tower_http::services::ServeDir;

use crate::app::App;
use crate::problem::Problem;

/// The builder names these files after what is in them: they never change.
const NAMED_AFTER_CONTENT: &str = "/assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Whatever no route answers: a file of the page, or nothing.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    if path == "/v1" || path.starts_with("/v1/") {
        return Problem::not_found(format_args!("there is no {path}")).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return Problem::wrong_method(format_args!("{path} can't be asked with {method}")).into_response();
    }
    let folder = &app.options.web;
    if !folder.join("index.html").is_file() {
        return not_built(folder);
    }
    let mut response = match Compression::new(ServeDir::new(folder)).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        return Problem::not_found(format_args!("there is no {path}")).into_response();
    }
    let caching = if path.starts_with(NAMED_AFTER_CONTENT) { FOR_EVER } else { ASK_AGAIN };
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    protect(response.headers_mut(), &app.options.livekit_public_url);
    response
}

/// What a browser lets the page do: talk to us and to LiveKit, hear the microphone, and be shown in no other page.
fn protect(headers: &mut HeaderMap, livekit_url: &str) {
    let livekit = origins(livekit_url);
    let policy = format!(
        "default-src 'self'; connect-src 'self' {livekit}; script-src 'self' 'wasm-unsafe-eval'; \
         style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; \
         worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("microphone=(self), camera=(self)"));
}

/// LiveKit's address as a browser uses it: the socket, and the same over HTTP for the question why a socket was refused.
fn origins(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // These would end the directive.
    if host.is_empty() || host.contains([';', ',', ' ']) {
        return String::new();
    }
    let secure = matches!(scheme, "wss" | "https");
    let (socket, plain) = if secure { ("wss", "https") } else { ("ws", "http") };
    format!("{socket}://{host} {plain}://{host}")
}

fn not_built(folder: &Path) -> Response {
    tracing::debug!(folder = %folder.display(), "the page is not built");
    let status = StatusCode::from_u16(ErrorCode::Unavailable.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let text = "The page is not built yet: run `./scripts/run`, which builds it, or set AETHER_WEB to a built one. \
                The API works without it.\n";
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_may_reach_livekit_and_nobody_else() {
        for (url, expected) in [
            ("ws://localhost:7880", "ws://localhost:7880 http://localhost:7880"),
            ("wss://live.example.org/rtc", "wss://live.example.org https://live.example.org"),
            ("https://user:secret@live.example.org", "wss://live.example.org https://live.example.org"),
            ("ws://evil; script-src *", ""),
            ("nonsense", ""),
        ] {
            assert_eq!(origins(url), expected, "{url}");
        }
    }
}
