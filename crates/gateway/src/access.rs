//! Who calls, and whether they may.
//!
//! Every route names its [`Access`] in the table of `route.rs`; [`enforce`] is the layer that keeps it. What a handler gets
//! is a [`Caller`], and nothing in a request can make it another one.

use std::time::{SystemTime, UNIX_EPOCH};

use aether_identity::{Bearer, Principal, Scope};
use aether_proto::ErrorCode;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::problem::Problem;
use crate::trace::concerns;

/// A WebSocket's token, where its client can't set headers: `Sec-WebSocket-Protocol: aether.events, aether.token.<token>`.
const TOKEN_PROTOCOL: &str = "aether.token.";

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// The handler itself checks a signature.
    Signed,
    /// To be somebody.
    Known,
    /// To be somebody who may do this.
    With(Scope),
}

/// Who calls: an extractor for handlers of routes that are neither public nor signed.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub Principal);

/// The claims of the page token that was shown, if it was one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByPageToken {
    pub first_issued_at: u64,
}

impl std::ops::Deref for Caller {
    type Target = Principal;
    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // A handler that asks for a caller on a public route finds nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

/// Lets a request through to its handler if its caller may do what the route does.
pub(crate) async fn enforce(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let scope = match access {
        Access::Public | Access::Signed => return Ok(next.run(request).await),
        Access::Known => None,
        Access::With(scope) => Some(scope),
    };
    let bearer = bearer(request.headers()).ok_or_else(missing)?;
    let (principal, page_token) = recognise(&app, bearer).await?;
    concerns("tenant", &principal.tenant);
    if let Some(scope) = scope
        && !principal.may(scope)
    {
        let may = principal.scopes;
        let message = format!("this needs the scope `{scope}`, and the key or token has: {may}");
        return Err(Problem::new(ErrorCode::PermissionDenied, message));
    }
    request.extensions_mut().insert(Caller(principal));
    if let Some(page_token) = page_token {
        request.extensions_mut().insert(page_token);
    }
    Ok(next.run(request).await)
}

async fn recognise(app: &App, bearer: &str) -> Result<(Principal, Option<ByPageToken>), Problem> {
    match Bearer::read(bearer) {
        None => Err(unknown()),
        Some(Bearer::Key(text)) => Ok((app.keys.find(app, text).await?.ok_or_else(unknown)?, None)),
        Some(Bearer::PageToken(text)) => {
            let claims = app.options.keyring.verify(text, now_unix()).map_err(|error| {
                Problem::new(ErrorCode::Unauthenticated, format_args!("{error}: open the page's link again"))
            })?;
            let by = ByPageToken { first_issued_at: claims.first_issued_at };
            Ok((claims.into(), Some(by)))
        }
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    let is_socket =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter(|_| is_socket);
    protocols
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(TOKEN_PROTOCOL))
}

fn missing() -> Problem {
    Problem::new(ErrorCode::Unauthenticated, "send an API key: `Authorization: Bearer aether_…`")
}

/// The same for a key that never was, has expired or was revoked: only its owner's list says which.
fn unknown() -> Problem {
    Problem::new(ErrorCode::Unauthenticated, "this API key is not known, or no longer: make a new one")
}

pub(crate) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_stands_in_the_header_or_in_a_sockets_protocols() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("aether.events, aether.token.abc"));
        assert_eq!(bearer(&headers), None, "only a socket has protocols");
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer  xyz "));
        assert_eq!(bearer(&headers), Some("xyz"), "the header is meant where there is one");
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic xyz"));
        assert_eq!(bearer(&headers), None);
    }
}
