//! The shapes of OpenAI's chat completions, as clients parse them. Fields stand in the order in which that API sends them.

use aether_proto::{ToolCall, Usage};
use serde::Serialize;

/// What all parts of one response have in common.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// As the client named it.
    pub model: String,
}

/// One chunk of a stream.
#[derive(Debug, Serialize)]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChunkChoice>,
    /// Present in every chunk where it was asked for, and `null` in all but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<TokenUsage>>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<()>,
    finish_reason: Option<String>,
}

/// What a chunk adds to the message.
#[derive(Debug, Default, Serialize)]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta; 1]>,
}

#[derive(Debug, Serialize)]
struct CallDelta {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta,
}

#[derive(Debug, Serialize)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice; 1],
    usage: TokenUsage,
}

#[derive(Debug, Serialize)]
struct Choice {
    index: u32,
    message: Message,
    logprobs: Option<()>,
    finish_reason: String,
}

#[derive(Debug, Serialize)]
struct Message {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WholeCall>,
}

#[derive(Debug, Serialize)]
struct WholeCall {
    id: String,
    r#type: &'static str,
    function: Function,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    arguments: String,
}

#[derive(Debug, Serialize)]
struct TokenUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl From<&Usage> for TokenUsage {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

impl Delta {
    /// Every stream begins with it.
    pub fn role() -> Self {
        Self { role: Some("assistant"), content: Some(String::new()), tool_calls: None }
    }

    pub fn text(text: String) -> Self {
        Self { content: Some(text), ..Self::default() }
    }

    /// The first piece of a call names it; the others only go on with its arguments.
    pub fn tool_call(call: ToolCall) -> Self {
        let ToolCall { index, id, name, arguments } = call;
        let is_first = !id.is_empty();
        let delta = CallDelta {
            index,
            id: is_first.then_some(id),
            r#type: is_first.then_some("function"),
            function: FunctionDelta { name: is_first.then_some(name), arguments },
        };
        Self { tool_calls: Some([delta]), ..Self::default() }
    }
}

impl Response {
    pub fn chunk(&self, delta: Delta, finish_reason: Option<String>, with_usage: bool) -> Chunk<'_> {
        let choices = vec![ChunkChoice { index: 0, delta, logprobs: None, finish_reason }];
        self.any_chunk(choices, with_usage.then_some(None))
    }

    /// The last chunk, where usage was asked for.
    pub fn usage_chunk(&self, usage: &Usage) -> Chunk<'_> {
        self.any_chunk(Vec::new(), Some(Some(usage.into())))
    }

    fn any_chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Option<TokenUsage>>) -> Chunk<'_> {
        let Self { id, created, model } = self;
        Chunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage }
    }

    pub fn completion(
        &self,
        text: String,
        calls: Vec<ToolCall>,
        finish_reason: String,
        usage: &Usage,
    ) -> Completion<'_> {
        let Self { id, created, model } = self;
        // Who only calls tools says nothing.
        let content = (calls.is_empty() || !text.is_empty()).then_some(text);
        let whole = |ToolCall { id, name, arguments, .. }| WholeCall {
            id,
            r#type: "function",
            function: Function { name, arguments },
        };
        let tool_calls = calls.into_iter().map(whole).collect();
        let message = Message { role: "assistant", content, refusal: None, tool_calls };
        let choice = Choice { index: 0, message, logprobs: None, finish_reason };
        Completion { id, object: "chat.completion", created: *created, model, choices: [choice], usage: usage.into() }
    }
}
