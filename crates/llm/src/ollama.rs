//! Ollama's dialect: one JSON object a line, the last one with `done: true`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::{ChatRequest, Delta, FinishReason, Options, ParseError, Usage};

pub(crate) fn chat_body(options: &Options, request: &ChatRequest) -> Value {
    let mut parameters = json!({ "num_predict": request.max_tokens });
    if let Some(temperature) = request.temperature {
        parameters["temperature"] = json!(temperature);
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
    json!({
        "model": options.model,
        "messages": request.messages,
        "stream": true,
        // Somebody waits to hear the answer; thoughts are never spoken.
        "think": false,
        // Every request resets how long the model stays loaded; -1 keeps it.
        "keep_alive": -1,
        "options": parameters,
    })
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
}

/// Reads `/api/chat`'s answer. What comes after its end is ignored.
#[derive(Debug, Default)]
pub struct Parser {
    lines: Lines,
    line: u64,
    done: bool,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        let Self { lines, line, done } = self;
        if *done {
            return Ok(());
        }
        lines.push(bytes, |text| read_line(line, done, text, deltas))
    }

    pub fn finish(&mut self, deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
        if let Some(text) = self.lines.finish() {
            read_line(&mut self.line, &mut self.done, &text, deltas)?;
        }
        if self.done { Ok(()) } else { Err(ParseError::Truncated) }
    }
}

fn read_line(number: &mut u64, done: &mut bool, text: &[u8], deltas: &mut Vec<Delta>) -> Result<(), ParseError> {
    *number += 1;
    if *done || text.is_empty() {
        return Ok(());
    }
    let line: Line = serde_json::from_slice(text).map_err(|error| ParseError::not_json(*number, &error))?;
    if let Some(error) = &line.error {
        return Err(ParseError::reported(error));
    }
    if let Some(message) = line.message {
        deltas.extend(message.thinking.filter(|text| !text.is_empty()).map(Delta::Thinking));
        deltas.extend(message.content.filter(|text| !text.is_empty()).map(Delta::Text));
    }
    if line.done {
        *done = true;
        if line.prompt_eval_count.is_some() || line.eval_count.is_some() {
            deltas.push(Delta::Usage(Usage {
                model: line.model,
                // Absent when the whole prompt was in the cache.
                input_tokens: line.prompt_eval_count.unwrap_or(0),
                output_tokens: line.eval_count.unwrap_or(0),
                cached_input_tokens: None,
            }));
        }
        deltas.push(Delta::Done(FinishReason::from_wire(line.done_reason.as_deref().unwrap_or("stop"))));
    }
    Ok(())
}
