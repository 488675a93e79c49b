//! What a server sends → what its caller gets: calls in the text are found, and every call has an id. Pure but for the ids.

use crate::call_finder::{CallFinder, Found};
use crate::{ChatRequest, Delta, FinishReason, ToolCallPiece, ToolChoice};

/// Follows one answer.
#[derive(Debug)]
pub struct Reading {
    /// Only where the model may call something: otherwise JSON is just JSON.
    finder: Option<CallFinder>,
    calls: u32,
    /// Some calls came in the server's own form, in pieces.
    in_pieces: bool,
}

impl Reading {
    pub fn new(request: &ChatRequest) -> Self {
        let may_call = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
        let finder = may_call.then(|| CallFinder::new(request.tools.iter().map(|tool| tool.name.clone())));
        Self { finder, calls: 0, in_pieces: false }
    }

    /// Adds what `delta` means to `out`.
    pub fn read(&mut self, delta: Delta, out: &mut Vec<Delta>) {
        match delta {
            Delta::Text(text) => match &mut self.finder {
                None => out.push(Delta::Text(text)),
                Some(finder) => {
                    let mut found = Vec::new();
                    finder.push(&text, &mut found);
                    self.take(found, out);
                }
            },
            Delta::ToolCall(mut piece) => {
                self.calls = self.calls.max(piece.index + 1);
                self.in_pieces = true;
                if piece.name.is_some() {
                    piece.id.get_or_insert_with(make_id);
                }
                out.push(Delta::ToolCall(piece));
            }
            Delta::Usage(_) => {
                self.finish(out);
                out.push(delta);
            }
            Delta::Done(reason) => {
                self.finish(out);
                // A call that was found in the text is whole: what the limit cut off is talk that came after it.
                let asks = self.calls > 0 && (reason == FinishReason::Stop || !self.in_pieces);
                out.push(Delta::Done(if asks { FinishReason::ToolCalls } else { reason }));
            }
            Delta::Thinking(_) | Delta::MalformedCall(_) => out.push(delta),
        }
    }

    fn finish(&mut self, out: &mut Vec<Delta>) {
        if let Some(mut finder) = self.finder.take() {
            let mut found = Vec::new();
            finder.finish(&mut found);
            self.take(found, out);
        }
    }

    fn take(&mut self, found: Vec<Found>, out: &mut Vec<Delta>) {
        for part in found {
            out.push(match part {
                Found::Text(text) => Delta::Text(text),
                Found::Malformed(text) => Delta::MalformedCall(text),
                Found::Call { name, arguments } => {
                    let piece = ToolCallPiece { index: self.calls, id: Some(make_id()), name: Some(name), arguments };
                    self.calls += 1;
                    Delta::ToolCall(piece)
                }
            });
        }
    }
}

/// Unique in any conversation, as callers name calls of earlier answers by it.
fn make_id() -> String {
    format!("call_{:024x}", rand::random::<u128>() >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, ToolSpec};

    fn request(choice: ToolChoice) -> ChatRequest {
        let parameters = serde_json::json!({ "type": "object" });
        let tools = vec![ToolSpec { name: "clock".into(), description: String::new(), parameters }];
        ChatRequest { tools, tool_choice: choice, ..ChatRequest::new(vec![Message::user("What time is it?")]) }
    }

    fn read(request: &ChatRequest, deltas: Vec<Delta>) -> Vec<Delta> {
        let mut reading = Reading::new(request);
        let mut out = Vec::new();
        for delta in deltas {
            reading.read(delta, &mut out);
        }
        out
    }

    #[test]
    fn a_call_in_the_text_is_a_call_with_an_id() {
        let json = || Delta::Text("{\"name\": \"clock\", \"arguments\": {}}".into());
        let out = read(&request(ToolChoice::Auto), vec![json(), Delta::Done(FinishReason::Stop)]);
        let [Delta::ToolCall(piece), Delta::Done(FinishReason::ToolCalls)] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((piece.index, piece.name.as_deref(), piece.arguments.as_str()), (0, Some("clock"), "{}"));
        assert!(piece.id.as_ref().is_some_and(|id| id.len() == 29), "{piece:?}");

        let talk = || Delta::Text("\n\nNow you know".into());
        let out = read(&request(ToolChoice::Auto), vec![json(), talk(), Delta::Done(FinishReason::Length)]);
        assert_eq!(out.last(), Some(&Delta::Done(FinishReason::ToolCalls)), "the call was whole: {out:?}");

        let out = read(&request(ToolChoice::None), vec![json(), Delta::Done(FinishReason::Stop)]);
        assert_eq!(out, [json(), Delta::Done(FinishReason::Stop)]);
    }

    #[test]
    fn what_is_still_held_back_comes_before_the_end() {
        let deltas = vec![Delta::Text("{\"name\": \"cl".into()), Delta::Done(FinishReason::Length)];
        let out = read(&request(ToolChoice::Auto), deltas);
        assert_eq!(out, [Delta::MalformedCall("{\"name\": \"cl".into()), Delta::Done(FinishReason::Length)]);
    }
}
