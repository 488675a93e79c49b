//! The OpenAI-compatible dialect: server-sent events, each a JSON chunk, ended by `[DONE]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::{
    ChatRequest, Delta, FinishReason, Image, Message, Options, ParseError, ToolCallPiece, ToolChoice, ToolSpec, Usage,
};

pub(crate) fn chat_body(options: &Options, request: &ChatRequest) -> Value {
    let mut body = json!({
        "model": request.model.as_ref().unwrap_or(&options.model),
        "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
        "max_tokens": request.max_tokens,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if let Some(temperature) = request.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(top_p) = request.top_p {
        body["top_p"] = json!(top_p);
    }
    if let Some(seed) = request.seed {
        body["seed"] = json!(seed);
    }
    if let Some(schema) = &request.response_schema {
        body["response_format"] = only("answer", schema);
    }
    let offered: Vec<_> = request.offered().map(function).collect();
    if !offered.is_empty() {
        body["tools"] = json!(offered);
        if matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) {
            body["response_format"] = only_a_call(request);
        }
    }
    if !request.stop.is_empty() {
        body["stop"] = json!(request.stop);
    }
    // Only llama.cpp knows these two, and other servers refuse what they don't know.
    if let Some(slot) = request.slot {
        body["id_slot"] = json!(slot);
        body["cache_prompt"] = json!(true);
    }
    body
}

/// Both dialects name functions like this.
pub(crate) fn function(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
}

fn message(message: &Message) -> Value {
    let mut body = json!({ "role": message.role.as_str(), "content": message.content });
    if !message.images.is_empty() {
        let text = json!({ "type": "text", "text": message.content });
        let text = std::iter::once(text).filter(|_| !message.content.is_empty());
        body["content"] = text.chain(message.images.iter().map(image)).collect();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        body["tool_calls"] = calls.collect();
    }
    if let Some(id) = &message.tool_call_id {
        body["tool_call_id"] = json!(id);
    }
    body
}

fn image(Image { media_type, data }: &Image) -> Value {
    let url = format!("data:{media_type};base64,{}", BASE64.encode(data));
    json!({ "type": "image_url", "image_url": { "url": url } })
}

/// An answer that is a call and nothing else. Servers take `tool_choice` for a wish (llama.cpp does, where a model has no form
/// of its own for calls), and a schema for an order.
fn only_a_call(request: &ChatRequest) -> Value {
    let calls = request.offered().map(|tool| {
        json!({
            "type": "object",
            "properties": { "name": { "const": tool.name }, "arguments": tool.parameters },
            "required": ["name", "arguments"],
            "additionalProperties": false,
        })
    });
    only("call", &json!({ "anyOf": calls.collect::<Vec<_>>() }))
}

/// The answer is JSON of this shape.
fn only(name: &str, schema: &Value) -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": name, "strict": true, "schema": schema } })
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<ChunkUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<ChoiceDelta>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct ChoiceDelta {
    content: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<ChunkCall>>,
}

#[derive(Deserialize)]
struct ChunkCall {
    /// Left out by some servers where there is only one.
    #[serde(default)]
    index: u32,
    id: Option<String>,
    #[serde(default)]
    function: ChunkFunction,
}

#[derive(Default, Deserialize)]
struct ChunkFunction {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct ChunkUsage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Deserialize)]
struct PromptTokensDetails {
    cached_tokens: Option<u32>,
}

/// Reads `/v1/chat/completions`' answer. What comes after its end is ignored.
#[derive(Debug, Default)]
pub struct Parser {
    lines: Lines,
    events: Events,
}

/// What is known between two lines.
#[derive(Debug, Default)]
struct Events {
    line: u64,
    /// The data lines of the event that is being read. Bounded: a chunk is one data line with every known server.
    data: Vec<u8>,
    /// The usage chunk comes after the finish reason, so the end waits for `[DONE]`.
    finish: Option<FinishReason>,
    done: bool,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        let Self { lines, events } = self;
        if events.done {
            return Ok(());
        }
        lines.push(bytes, |line| events.read_line(line, deltas))
    }

    pub fn finish(&mut self, deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        if let Some(line) = self.lines.finish() {
            self.events.read_line(&line, deltas)?;
        }
        self.events.dispatch(deltas)?;
        match self.events.finish {
            _ if self.events.done => Ok(()),
            // Some servers close the connection instead of sending `[DONE]`.
            Some(reason) => {
                self.events.end(reason, deltas);
                Ok(())
            }
            None => Err(ParseError::Truncated),
        }
    }
}

impl Events {
    fn read_line(&mut self, line: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        self.line += 1;
        if self.done {
            return Ok(());
        }
        if line.is_empty() {
            return self.dispatch(deltas);
        }
        let line = if self.line == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                if self.data.len() > crate::lines::MAX_LINE_LENGTH {
                    return Err(ParseError::LineTooLong);
                }
                Ok(())
            }
            // Not in the standard; llama.cpp's server has used it for failures in mid-answer.
            b"error" => {
                let error = serde_json::from_slice(value).unwrap_or(Value::Null);
                Err(ParseError::reported(&error))
            }
            b"" | b"event" | b"id" | b"retry" => Ok(()),
            _ => Err(ParseError::NotAnEvent { line: self.line }),
        }
    }

    fn dispatch(&mut self, deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        let data = std::mem::take(&mut self.data);
        if data.is_empty() || self.done {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.end(self.finish.unwrap_or(FinishReason::Stop), deltas);
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_slice(&data).map_err(|error| ParseError::not_json(self.line, &error))?;
        if let Some(error) = &chunk.error {
            return Err(ParseError::reported(error));
        }
        // We ask for one choice; a server that sends more repeats itself.
        if let Some(choice) = chunk.choices.into_iter().next() {
            let delta = choice.delta.unwrap_or_default();
            deltas.extend(delta.reasoning_content.filter(|text| !text.is_empty()).map(Delta::Thinking));
            deltas.extend(delta.content.filter(|text| !text.is_empty()).map(Delta::Text));
            deltas.extend(delta.tool_calls.into_iter().flatten().map(|call| {
                Delta::ToolCall(ToolCallPiece {
                    index: call.index,
                    id: call.id.filter(|id| !id.is_empty()),
                    name: call.function.name.filter(|name| !name.is_empty()),
                    arguments: call.function.arguments.unwrap_or_default(),
                })
            }));
            self.finish = choice.finish_reason.as_deref().map(FinishReason::from_wire).or(self.finish);
        }
        if let Some(usage) = chunk.usage {
            deltas.push(Delta::Usage(Usage {
                model: chunk.model.unwrap_or_default(),
                input_tokens: usage.prompt_tokens,
                output_tokens: usage.completion_tokens,
                cached_input_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
            }));
        }
        Ok(())
    }

    fn end(&mut self, reason: FinishReason, deltas: &mut Vec<Delta>) {
        self.done = true;
        deltas.push(Delta::Done(reason));
    }
}
