//! Functions that a model may ask for, and its asking.

use serde_json::Value;

/// A function as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether the model may, must or must not ask for a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    /// This one.
    Named(String),
}

/// A whole call. Nobody has looked at its arguments yet: they may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text, or what the model took for it.
    pub arguments: String,
}

/// A part of a call as it comes. Parts of the same `index` belong together, and only the first has `id` and `name`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCallPiece {
    pub index: u32,
    pub id: Option<String>,
    pub name: Option<String>,
    pub arguments: String,
}

/// Puts pieces together.
#[derive(Debug, Default)]
pub struct ToolCalls {
    calls: Vec<(u32, ToolCall)>,
}

impl ToolCalls {
    pub fn push(&mut self, piece: ToolCallPiece) {
        let ToolCallPiece { index, id, name, arguments } = piece;
        let call = match self.calls.iter().position(|(known, _)| *known == index) {
            Some(at) => self.calls.get_mut(at),
            None => {
                self.calls.push((index, ToolCall::default()));
                self.calls.last_mut()
            }
        };
        if let Some((_, call)) = call {
            call.id.push_str(&id.unwrap_or_default());
            call.name.push_str(&name.unwrap_or_default());
            call.arguments.push_str(&arguments);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// In the order in which they were begun.
    pub fn finish(self) -> Vec<ToolCall> {
        self.calls.into_iter().map(|(_, call)| call).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_two_calls_are_told_apart() {
        let piece = |index, name: Option<&str>, arguments: &str| ToolCallPiece {
            index,
            id: name.map(|name| format!("id-{name}")),
            name: name.map(str::to_owned),
            arguments: arguments.to_owned(),
        };
        let mut calls = ToolCalls::default();
        assert!(calls.is_empty());
        for piece in
            [piece(0, Some("a"), ""), piece(1, Some("b"), "{\"x\""), piece(0, None, "{}"), piece(1, None, ":1}")]
        {
            calls.push(piece);
        }
        let call = |name: &str, arguments: &str| ToolCall {
            id: format!("id-{name}"),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        assert_eq!(calls.finish(), [call("a", "{}"), call("b", "{\"x\":1}")]);
    }
}
