//! An answer in one piece.

use aether_proto::ToolCall;
use axum::Json;
use axum::response::{IntoResponse as _, Response};

use super::answer::{Answer, Piece};
use super::wire;
use crate::problem::Problem;

/// Waits for the end of the answer. Dropped before it, because the client has gone, the answer ends.
pub(super) async fn respond(mut answer: Answer, response: wire::Response) -> Result<Response, Problem> {
    let (mut text, mut calls) = (String::new(), Vec::<ToolCall>::new());
    while let Some(piece) = answer.next().await? {
        match piece {
            Piece::Text(more) => text.push_str(&more),
            Piece::ToolCall(call) => match calls.iter_mut().find(|known| known.index == call.index) {
                Some(known) => known.arguments.push_str(&call.arguments),
                None => calls.push(call),
            },
            Piece::End { finish_reason, usage } => {
                return Ok(Json(response.completion(text, calls, finish_reason, &usage)).into_response());
            }
        }
    }
    // An answer that has not failed ends with its end.
    Err(Problem::new(aether_proto::ErrorCode::Internal, "the answer ended without an end"))
}
