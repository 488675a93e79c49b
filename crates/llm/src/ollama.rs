//! Ollama's dialect: one JSON object a line, the last one with `done: true`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::{ChatRequest, Delta, FinishReason, Message, Options, ParseError, ToolCallPiece, Usage, openai};

pub(crate) fn chat_body(options: &Options, request: &ChatRequest) -> Value {
    let mut parameters = json!({ "num_predict": request.max_tokens });
    if let Some(temperature) = request.temperature {
        parameters["temperature"] = json!(temperature);
    }
    if let Some(top_p) = request.top_p {
        parameters["top_p"] = json!(top_p);
    }
    if let Some(seed) = request.seed {
        parameters["seed"] = json!(seed);
    }
    if !request.stop.is_empty() {
        parameters["stop"] = json!(request.stop);
    }
    // The same in every request: Ollama loads the model again when it changes.
    if let Some(context_tokens) = options.context_tokens {
        parameters["num_ctx"] = json!(context_tokens);
    }
    let mut body = json!({
        "model": request.model.as_ref().unwrap_or(&options.model),
        "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
        "stream": true,
        // Somebody waits to hear the answer; thoughts are never spoken.
        "think": false,
        // Every request resets how long the model stays loaded; -1 keeps it.
        "keep_alive": -1,
        "options": parameters,
    });
    if let Some(schema) = &request.response_schema {
        body["format"] = schema.clone();
    }
    let offered: Vec<_> = request.offered().map(openai::function).collect();
    if !offered.is_empty() {
        body["tools"] = json!(offered);
    }
    body
}

fn message(message: &Message) -> Value {
    let mut body = json!({ "role": message.role.as_str(), "content": message.content });
    if !message.images.is_empty() {
        body["images"] = message.images.iter().map(|image| BASE64.encode(&image.data)).collect();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            // An object, and nothing else: what the model once wrote wrongly is shown as no arguments.
            let arguments = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
            json!({ "function": { "name": call.name, "arguments": arguments.unwrap_or_else(|| json!({})) } })
        });
        body["tool_calls"] = calls.collect();
    }
    body
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    model: String,
    message: Option<LineMessage>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u32>,
    eval_count: Option<u32>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct LineMessage {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<LineCall>>,
}

#[derive(Deserialize)]
struct LineCall {
    function: LineFunction,
}

#[derive(Deserialize)]
struct LineFunction {
    name: String,
    #[serde(default)]
    arguments: Value,
}

/// Reads `/api/chat`'s answer. What comes after its end is ignored.
#[derive(Debug, Default)]
pub struct Parser {
    lines: Lines,
    line: u64,
    calls: u32,
    done: bool,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        if self.done {
            return Ok(());
        }
        let mut lines = std::mem::take(&mut self.lines);
        let read = lines.push(bytes, |text| self.read_line(text, deltas));
        self.lines = lines;
        read
    }

    pub fn finish(&mut self, deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        if let Some(text) = self.lines.finish() {
            self.read_line(&text, deltas)?;
        }
        if self.done { Ok(()) } else { Err(ParseError::Truncated) }
    }

    fn read_line(&mut self, text: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        self.line += 1;
        if self.done || text.is_empty() {
            return Ok(());
        }
        let line: Line = serde_json::from_slice(text).map_err(|error| ParseError::not_json(self.line, &error))?;
        if let Some(error) = &line.error {
            return Err(ParseError::reported(error));
        }
        if let Some(message) = line.message {
            deltas.extend(message.thinking.filter(|text| !text.is_empty()).map(Delta::Thinking));
            deltas.extend(message.content.filter(|text| !text.is_empty()).map(Delta::Text));
            for call in message.tool_calls.into_iter().flatten() {
                // Whole, without an id, its arguments an object.
                let LineFunction { name, arguments } = call.function;
                let arguments = if arguments.is_null() { "{}".to_owned() } else { arguments.to_string() };
                deltas.push(Delta::ToolCall(ToolCallPiece {
                    index: self.calls,
                    id: None,
                    name: Some(name),
                    arguments,
                }));
                self.calls += 1;
            }
        }
        if line.done {
            self.done = true;
            if line.prompt_eval_count.is_some() || line.eval_count.is_some() {
                deltas.push(Delta::Usage(Usage {
                    model: line.model,
                    // Absent when the whole prompt was in the cache.
                    input_tokens: line.prompt_eval_count.unwrap_or(0),
                    output_tokens: line.eval_count.unwrap_or(0),
                    cached_input_tokens: None,
                }));
            }
            let reason = FinishReason::from_wire(line.done_reason.as_deref().unwrap_or("stop"));
            // It says `stop` after a call, too.
            let asks = self.calls > 0 && reason == FinishReason::Stop;
            deltas.push(Delta::Done(if asks { FinishReason::ToolCalls } else { reason }));
        }
        Ok(())
    }
}
