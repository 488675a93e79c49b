//! `POST /livekit/webhook`: LiveKit tells who came and who went, so that nobody has to look to notice.
//!
//! Only a hint: what is so is looked up. One that was lost is made up for by the reconciler's own looks.

use aether_livekit::{WebhookError, WebhookEvent};
use aether_proto::ErrorCode;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};

use crate::app::App;
use crate::problem::Problem;

pub(crate) async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = body.map_err(|error| Problem::new(ErrorCode::InvalidArgument, error.body_text()))?;
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let event = WebhookEvent::receive(&app.options.livekit_key, authorization, &body).map_err(|error| match error {
        WebhookError::Signature(_) | WebhookError::Body => Problem::new(
            ErrorCode::Unauthenticated,
            "this was not signed by LiveKit with the key that is known here: see LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
        ),
        WebhookError::Unreadable(_) => Problem::new(ErrorCode::InvalidArgument, error),
    })?;
    tracing::debug!(?event, "LiveKit tells");
    match event {
        WebhookEvent::ParticipantJoined { .. }
        | WebhookEvent::ParticipantLeft { .. }
        | WebhookEvent::RoomFinished { .. } => app.watch.look(),
        WebhookEvent::RoomStarted { .. } | WebhookEvent::Other { .. } => {}
    }
    Ok(StatusCode::OK)
}
